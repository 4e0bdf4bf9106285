"""`make conformance`: Kubernetes' own e2e suite against a world of podwire. Builds what is missing, runs, reports.

A whole run writes docs/reference/conformance.md; a part of it (--focus, --skip) prints its table.
Exits with 1 where a test fails that is expected to pass, or passes that is expected to fail; with 2 where nothing
could be run.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.conformance import images, page, programs, records, runs, suite, tables, userland, world
from tools.conformance.results import Line, Result, judge
from tools.conformance.selection import Selection

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--focus", default="", metavar="RE", help="only tests whose name matches")
    parser.add_argument("--skip", default="", metavar="RE", help="no tests whose name matches")
    parser.add_argument("--procs", type=int, default=4, help="how many tests run at the same time (4)")
    parser.add_argument(
        "--limit",
        type=float,
        default=900.0,
        metavar="SECONDS",
        help="the longest that a test may take, [Slow] ones twice as long (900)",
    )
    parser.add_argument("--whole-limit", type=float, default=5400.0, metavar="SECONDS", help="... and the run (5400)")
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that exists; else a world is started and ended")
    parser.add_argument("--nodes", type=int, default=world.NODES, help="how many nodes that cluster or world has")
    parser.add_argument("--world", default=world.NAME, help="the name of the world")
    parser.add_argument(
        "--list", action="store_true", help="print the selected tests and what is known of them, run nothing"
    )
    parser.add_argument(
        "--report",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="write the page of these finished runs",
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Build, run, report. Returns the exit status."""
    chosen = arguments(argv)
    try:
        tests = programs.build(programs.SUITE)
        known, names = tables.load(), Selection(chosen.focus, chosen.skip).of(suite.listed(tests))
        if chosen.list:
            print(page.part(judge(names, (), known)))
            return 0
        if chosen.report:
            past, lines = records.load(chosen.report)
            return _write_page(past, judge(names, lines, known))
        return _run_and_report(chosen, tests, names, known)
    except (programs.MissingGoError, userland.MissingAptError, ValueError, re.error) as error:
        print(f"conformance: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"conformance: {' '.join(map(str, error.cmd))} failed with status {error.returncode}", file=sys.stderr)
    return 2


def _run_and_report(chosen: argparse.Namespace, tests: Path, names: list[str], known: tables.Tables) -> int:
    selected = [name for name in names if known.runs(name)]
    folder = runs.new_folder(chosen.world)
    record = records.begin(folder, f"at most {chosen.limit:.0f} s a test, {chosen.procs} tests at the same time")
    runs.say(f"{len(selected)} of {len(names)} tests to run; logs in {folder}")
    lines = _run(chosen, tests, selected, folder) if selected else []
    results = judge(names, lines, known)
    folder.joinpath("report.md").write_text(page.part(results))
    ended = len({line.name for line in lines}) == len(selected)
    if ended and Selection(chosen.focus, chosen.skip).is_whole and not chosen.kubeconfig:
        return _write_page([record], results)
    print(page.part(results))
    return _status(results) or int(not ended)


def _write_page(runs: list[records.Record], results: list[Result]) -> int:
    DOCUMENT.write_text(page.whole(programs.release(), runs, results))
    print(f"{page.counts(results)}\nwritten: {DOCUMENT}")
    return _status(results)


def _status(results: list[Result]) -> int:
    return int(any(result.is_surprise for result in results))


def _run(chosen: argparse.Namespace, tests: Path, selected: list[str], folder: Path) -> list[Line]:
    """Run the tests. Ctrl-C ends the run and the world; what ended before is returned."""
    limits = suite.Limits(chosen.procs, chosen.limit, chosen.whole_limit)
    with _cluster(chosen, tests) as client:
        return runs.run(client, chosen.nodes, limits, selected, folder)


@contextlib.contextmanager
def _cluster(chosen: argparse.Namespace, tests: Path) -> Iterator[world.Client]:
    if chosen.kubeconfig:
        yield world.Client(chosen.kubeconfig)
        return
    archives = images.archives(tests)
    runs.say(f"world '{chosen.world}' with {chosen.nodes} nodes")
    with world.running(chosen.world, archives, chosen.nodes) as client:
        yield client


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
