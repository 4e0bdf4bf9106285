"""`make conformance SUITE=policy`: network-policy-api's own conformance suite against a world.

Builds what is missing, runs, reports. A whole run writes docs/reference/policy-conformance.md; a part of it (--focus,
--skip) prints its table. Exits with 1 where a test fails; with 2 where nothing could be run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tools.conformance import page as table
from tools.conformance import programs, records, runs, world
from tools.conformance.gateway import transcript
from tools.conformance.policy import images
from tools.conformance.results import Line, judge
from tools.conformance.tables import Tables

MODULE = "sigs.k8s.io/network-policy-api"
BY_WEB_SOCKET = (
    MODULE,
    "conformance/utils/kubernetes/helper.go",
    'NewSPDYExecutor(kubeConfig, "POST", request.URL())',
    'NewWebSocketExecutor(kubeConfig, "GET", request.URL().String())',
)
"""Its probes are run in pods by client-go's older protocol, which the API server of a world does not speak."""
SUITE = programs.Program("policy.test", f"{MODULE}/conformance", module="policy", is_test=True, replaced=BY_WEB_SOCKET)
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "policy-conformance.md"
TEST = "TestConformance"
GRACE_SECONDS = 30.0
"""How long the suite may go on after Ctrl-C."""
ABOUT = """features, against a world of two nodes,
but for one line: programs are run in pods over WebSocket, as kubectl does, not over SPDY.
Its image agnhost is built here. Where the kernel has no SCTP, a server for SCTP waits instead, so that its pod gets
ready, and the tests that connect to it fail."""
SHORT_NAME = re.compile(r'ShortName:\s+"(\w+)"')


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make conformance SUITE=policy", description=__doc__)
    parser.add_argument("--focus", default="", metavar="RE", help="only tests whose name matches")
    parser.add_argument("--skip", default="", metavar="RE", help="no tests whose name matches")
    parser.add_argument("--procs", type=int, default=1, help="of no effect: the suite's tests run one after the other")
    parser.add_argument("--nodes", type=int, default=2, help="how many nodes the world has")
    parser.add_argument("--world", default="policy", help="the name of the world")
    parser.add_argument("--list", action="store_true", help="print the selected tests, run nothing")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Build, run, report. Returns the exit status."""
    chosen = arguments(argv)
    try:
        selected = [name for name in names() if re.search(chosen.focus, name)]
        selected = [name for name in selected if not (chosen.skip and re.search(chosen.skip, name))]
        if chosen.list:
            print("\n".join(selected))
            return 0
        return _run_and_report(chosen, selected)
    except (programs.MissingGoError, ValueError, re.error) as error:
        print(f"conformance: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"conformance: {' '.join(map(str, error.cmd))} failed with status {error.returncode}", file=sys.stderr)
    return 2


def names() -> list[str]:
    """The names of all tests of the suite, by its source."""
    folder = programs.module_folder(MODULE, "policy") / "conformance" / "tests"
    texts = [path.read_text() for path in sorted(folder.glob("*.go"))]
    return sorted(name for text in texts for name in SHORT_NAME.findall(text))


def _run_and_report(chosen: argparse.Namespace, selected: list[str]) -> int:
    program, archives = programs.build(SUITE), images.archives(programs.module_folder(MODULE, "policy"))
    folder = runs.new_folder(chosen.world)
    records.begin(folder, "one test after the other")
    runs.say(f"{len(selected)} tests to run; logs in {folder}")
    with world.running(chosen.world, archives, chosen.nodes, ()) as client:
        lines = list(run(client, program, selected, folder))
    records.write(folder, lines)
    results = judge(selected, lines, Tables())
    text = table.part(results)
    print(text)
    if not (chosen.focus or chosen.skip):
        DOCUMENT.write_text(_page(text))
    return int(any(result.is_surprise for result in results))


def run(client: world.Client, suite: Path, selected: list[str], folder: Path) -> Iterator[Line]:
    """Run the suite; return what ends as it ends. The folder gets its whole output."""
    call = [str(suite), "-test.v", f"-test.run=^{TEST}$/^({'|'.join(selected)})$", "-test.timeout=0", "-all-features"]
    settings = {**os.environ, **client.environment, "KUBECONFIG": str(client.kubeconfig)}
    process = subprocess.Popen(
        [*client.prefix, *call], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=settings, text=True, errors="replace",
    )  # fmt: skip
    show = runs.progress(len(selected))
    try:
        with folder.joinpath("suite.log").open("w") as written:
            for count, line in enumerate(transcript.lines(_kept(process, written), TEST), 1):
                show(count, line)
                yield line
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        process.kill()
        process.wait()


def _kept(process: subprocess.Popen[str], written: TextIO) -> Iterator[str]:
    for text in process.stdout or ():
        written.write(text)
        yield text


def _page(text: str) -> str:
    release = programs.required(MODULE, "policy")
    head = f"`make conformance SUITE=policy` runs the suite of {MODULE} {release} with all of its"
    return f"# network-policy-api's conformance suite\n\n{head} {ABOUT}\n\n{text}\n"


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
