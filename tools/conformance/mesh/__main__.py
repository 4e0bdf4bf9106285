"""`make conformance SUITE=mesh`: the profiles of a mesh of Gateway API's conformance suite against a world.

A whole run writes docs/reference/mesh-conformance.md; a part of it (--focus, --skip) prints its table. Exits with 1
where a test fails; with 2 where nothing could be run.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from podwire.redirection.enrolment import ENABLED, LABEL
from tools.conformance import page as table
from tools.conformance import programs, records, runs, world
from tools.conformance.gateway import catalog as catalogs
from tools.conformance.gateway import images, run
from tools.conformance.gateway.catalog import STANDARD, Catalog
from tools.conformance.mesh import page
from tools.conformance.results import Line, judge
from tools.conformance.tables import Tables

BY_WEB_SOCKET = (
    images.MODULE,
    "utils/echo/pod.go",
    'NewSPDYExecutor(m.rcfg, "POST", req.URL())',
    'NewWebSocketExecutor(m.rcfg, "GET", req.URL().String())',
)
"""Its clients are run in pods by client-go's older protocol, which the API server of a world does not speak."""
SUITE = programs.Program("mesh.test", ".", module="gateway", is_test=True, replaced=BY_WEB_SOCKET)
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "mesh-conformance.md"
REPORT = "mesh-conformance-standard-default-report.yaml"
NAME = "mesh-suite"
NODES = 2


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make conformance SUITE=mesh", description=__doc__)
    parser.add_argument("--focus", default="", metavar="RE", help="only tests whose name matches")
    parser.add_argument("--skip", default="", metavar="RE", help="no tests whose name matches")
    parser.add_argument("--procs", type=int, default=4, help="how many tests run at the same time (4)")
    parser.add_argument("--nodes", type=int, default=NODES, help="how many nodes the world has")
    parser.add_argument("--world", default=NAME, help="the name of the world")
    parser.add_argument(
        "--wait", type=int, metavar="SECONDS", help="the longest wait of a test; the suite's: 60 to 300"
    )
    parser.add_argument("--list", action="store_true", help="print the selected tests, run nothing")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Build, run, report. Returns the exit status."""
    chosen = arguments(argv)
    try:
        program = programs.build(SUITE)
        found = catalogs.read(program)
        tests = [test.name for test in found.tests_of_mesh() if re.search(chosen.focus, test.name)]
        selected = [name for name in tests if not (chosen.skip and re.search(chosen.skip, name))]
        if chosen.list:
            print("\n".join(selected))
            return 0
        return _run_and_report(chosen, program, found, selected)
    except (programs.MissingGoError, ValueError, re.error) as error:
        print(f"conformance: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"conformance: {' '.join(map(str, error.cmd))} failed with status {error.returncode}", file=sys.stderr)
    return 2


def _run_and_report(chosen: argparse.Namespace, program: Path, found: Catalog, selected: Sequence[str]) -> int:
    folder = runs.new_folder(chosen.world)
    records.begin(folder, f"{STANDARD} channel, {chosen.procs} tests at the same time")
    runs.say(f"{len(selected)} tests to run; logs in {folder}")
    plan = run.Plan(
        gateway_class="",
        profiles=found.of_mesh,
        skipped=tuple(test.name for test in found.tests if test.name not in selected),
        features=tuple(found.features_of_mesh()),
        parallel=chosen.procs,
        wait_seconds=chosen.wait,
        version=records.describe()[0],
        namespace_labels=f"{LABEL}={ENABLED}",
    )
    show = runs.progress(len(selected))
    ended: list[Line] = []

    def shown(_: int, line: Line) -> None:
        if line.name in selected:
            ended.append(line)
            show(len(ended), line)

    with world.running(chosen.world, images.of_mesh(), chosen.nodes, ("--gateway-api", STANDARD)) as client:
        run.run(client, program, plan, folder, shown)
    records.write(folder, ended)
    results = judge(selected, ended, Tables())
    print(table.part(results))
    if not ended:
        runs.say("\n".join(["the suite ended before its first test:", *run.ending(folder)]))
    elif not (chosen.focus or chosen.skip):
        report = folder / run.REPORT
        if report.exists():
            DOCUMENT.with_name(REPORT).write_text(report.read_text())
        release = programs.required(images.MODULE, "gateway")
        DOCUMENT.write_text(page.whole(release, records.load([folder])[0][0], found, results, REPORT))
        print(f"written: {DOCUMENT}")
    return int(any(result.is_surprise for result in results))


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
