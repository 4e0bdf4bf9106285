"""Runs tests of the suite with ginkgo on several processes, and reads their results as they come."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.conformance.results import Line, read
from tools.conformance.world import Client

POLL_SECONDS = 0.5
GRACE_SECONDS = 45.0
"""How long ginkgo may clean up after Ctrl-C; the world ends anyway."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The built programs, what they run against, and where they run."""

    ginkgo: Path
    tests: Path
    kubectl: Path
    client: Client
    nodes: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How a run is bounded. Times are in seconds."""

    processes: int
    test: float
    whole: float


def names(printed: str) -> list[str]:
    """The names of tests in what `e2e.test --list-tests` prints: `FILE.go:LINE: NAME`, sorted, each once."""
    found = re.findall(r"^\s*\S+\.go:\d+: (.+)$", printed, re.MULTILINE)
    return sorted(set(found))


def listed(tests: Path) -> list[str]:
    """All tests of the suite."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    printed = subprocess.run([str(tests), "--list-tests"], check=True, capture_output=True, text=True, env=environment)
    return names(printed.stdout)


def command(suite: Suite, limits: Limits, selected: Iterable[str], folder: Path) -> list[str]:
    """The call of ginkgo for exactly these tests; a name is quoted, since focus is a regular expression."""
    focus = [f"--focus={quoted(name)}$" for name in selected]
    return [
        *suite.client.prefix, "nice", str(suite.ginkgo),
        f"--procs={limits.processes}", "--keep-going", "--silence-skips", "--no-color",
        f"--timeout={limits.whole:.0f}s", "--grace-period=10s", *focus, str(suite.tests), "--",
        "--provider=skeleton", f"--kubeconfig={suite.client.kubeconfig}", f"--kubectl-path={suite.kubectl}",
        f"--num-nodes={suite.nodes}", "--allowed-not-ready-nodes=0", f"--report-dir={folder}",
    ]  # fmt: skip


def quoted(name: str) -> str:
    """A regular expression of Go for this text and nothing else."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name)


def run(
    suite: Suite, limits: Limits, selected: list[str], folder: Path, show: Callable[[int, Line], None]
) -> list[Line]:
    """Run these tests; `show(count, line)` is called as each ends. Returns what ended, also after Ctrl-C.

    The output of ginkgo is in `ginkgo.log` of the folder.
    """
    settings = {
        **os.environ,
        **suite.client.environment,
        "CONFORMANCE_RESULTS": str(folder),
        "CONFORMANCE_TEST_LIMIT": f"{limits.test:.0f}s",
        "KUBECONFIG": str(suite.client.kubeconfig),
    }
    results = folder / "results.jsonl"
    with folder.joinpath("ginkgo.log").open("wb") as log:
        call = command(suite, limits, selected, folder)
        process = subprocess.Popen(
            call, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=settings, start_new_session=True
        )
        try:
            with contextlib.suppress(KeyboardInterrupt):
                for count, line in enumerate(_lines(results, process), 1):
                    show(count, line)
        finally:
            _end(process)
    return read(results)


def _lines(results: Path, process: subprocess.Popen[bytes]) -> Iterator[Line]:
    """The lines as they are written, until the process has ended."""
    seen = 0
    ended = False
    while not ended:
        try:
            process.wait(POLL_SECONDS)
            ended = True
        except subprocess.TimeoutExpired:
            pass
        lines = read(results)
        yield from lines[seen:]
        seen = len(lines)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End ginkgo and its processes if they still run."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
