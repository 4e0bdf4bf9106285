"""A run of the suite: its command line, its output read as it comes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.conformance import programs
from tools.conformance.gateway import transcript
from tools.conformance.gateway.catalog import Profile
from tools.conformance.results import Line
from tools.conformance.world import PROGRAMS, Client

SUITE = programs.Program("gateway.test", ".", module="gateway", is_test=True)
TEST = "TestGatewayAPI"
TRANSCRIPT = "suite.log"
REPORT = "report.yaml"
GRACE_SECONDS = 30.0
"""How long the suite may go on after Ctrl-C; the world ends anyway."""

CLASS_SECONDS = 180
"""How long the suite itself waits for its class; before that it reads the features from the class' status."""

ENDING_LINES = 15

WAITS = (
    "GatewayMustHaveAddress", "GatewayMustHaveCondition", "GatewayStatusMustHaveListeners",
    "GatewayListenersMustHaveConditions", "ListenerSetMustHaveCondition", "ListenerSetListenersMustHaveConditions",
    "GWCMustBeAccepted", "HTTPRouteMustNotHaveParents", "HTTPRouteMustHaveCondition", "TLSRouteMustHaveCondition",
    "TCPRouteMustHaveCondition", "UDPRouteMustHaveCondition", "RouteMustHaveParents", "MaxTimeToConsistency",
    "NamespacesMustBeReady", "LatestObservedGenerationSet", "DefaultTestTimeout",
)  # fmt: skip
"""Times of the suite's TimeoutConfig that a failing test waits for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run. `features` are claimed by hand; none: those of the GatewayClass' status.

    `namespace_labels` are given to the namespaces of the tests, as `NAME=VALUE`.
    """

    gateway_class: str
    profiles: tuple[Profile, ...]
    skipped: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    parallel: int = 4
    wait_seconds: int | None = None
    usable_address: str = ""
    unusable_address: str = ""
    version: str = ""
    mode: str = "default"
    keep: bool = False
    namespace_labels: str = ""


def command(suite: Path, plan: Plan, folder: Path) -> list[str]:
    """The call of the suite."""
    given = {
        "gateway-class": plan.gateway_class,
        "conformance-profiles": ",".join(profile.name for profile in plan.profiles),
        "supported-features": ",".join(plan.features),
        "skip-tests": ",".join(plan.skipped),
        "usable-address": plan.usable_address,
        "unusable-address": plan.unusable_address,
        "timeout-config-overrides": ";".join(f"{name}:{plan.wait_seconds}" for name in WAITS if plan.wait_seconds),
        "report-output": str(folder / REPORT),
        "organization": "podwire",
        "project": "podwire",
        "url": "https://podwire.io",
        "contact": "the issues of the repository",
        "version": plan.version,
        "mode": plan.mode,
        "namespace-labels": plan.namespace_labels,
        "cleanup-base-resources": str(not plan.keep).lower(),
    }
    flags = [f"-{name}={value}" for name, value in given.items() if value]
    return [str(suite), "-test.v", f"-test.run=^{TEST}$", "-test.timeout=0", f"-test.parallel={plan.parallel}", *flags]


def await_class(client: Client, name: str) -> None:
    """Wait until the GatewayClass is accepted: its status names the features that are tested.

    Raises CalledProcessError where it is not in time.
    """
    wait = ["wait", "--for=condition=Accepted", f"gatewayclass/{name}", f"--timeout={CLASS_SECONDS}s"]
    call = [*client.prefix, str(PROGRAMS / "kubectl"), f"--kubeconfig={client.kubeconfig}", *wait]
    subprocess.run(call, check=True, env={**os.environ, **client.environment}, stdout=subprocess.DEVNULL)


def ending(folder: Path) -> list[str]:
    """Return the last lines of the suite's output: why it ended."""
    return folder.joinpath(TRANSCRIPT).read_text(errors="replace").splitlines()[-ENDING_LINES:]


def run(client: Client, suite: Path, plan: Plan, folder: Path, show: Callable[[int, Line], None]) -> list[Line]:
    """Run the suite; `show(count, line)` is called as each test ends. Returns what ended, also after Ctrl-C.

    The folder gets the whole output, a log for each failed test, and the suite's report.
    """
    settings = {**os.environ, **client.environment, "KUBECONFIG": str(client.kubeconfig)}
    found: list[Line] = []
    with folder.joinpath(TRANSCRIPT).open("w+") as written:
        process = subprocess.Popen(
            [*client.prefix, "nice", *command(suite, plan, folder)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=settings, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            with contextlib.suppress(KeyboardInterrupt):
                for line in transcript.lines(_kept(process.stdout or (), written.write), TEST):
                    found.append(line)
                    show(len(found), line)
        finally:
            _end(process)
    write_logs(folder, found)
    return found


def _kept(printed: Iterable[str], write: Callable[[str], int]) -> Iterator[str]:
    for text in printed:
        write(text)
        yield text


def write_logs(folder: Path, ended: Iterable[Line]) -> None:
    """Write the log of each failed test."""
    for line in ended:
        if line.state == "failed":
            with folder.joinpath(TRANSCRIPT).open(errors="replace") as printed:
                log = transcript.log(printed, TEST, line.name)
            folder.joinpath(line.log).write_text("\n".join(log) + "\n")


def _end(process: subprocess.Popen[str]) -> None:
    """End the suite if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(1)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
