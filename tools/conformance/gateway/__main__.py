"""`make conformance SUITE=gateway`: Gateway API's own conformance suite against a world, or a real cluster.

Builds what is missing, runs, reports. A whole run writes docs/reference/gateway-conformance.md; a part of it (--focus,
--skip) prints its table. Exits with 1 where a test fails; with 2 where nothing could be run.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tools.cluster import record, suite
from tools.conformance import page as table
from tools.conformance import programs, records, runs, world
from tools.conformance.gateway import catalog as catalogs
from tools.conformance.gateway import images, page, run
from tools.conformance.gateway.catalog import Catalog
from tools.conformance.results import Line, Result, judge
from tools.conformance.tables import Tables

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "gateway-conformance.md"
NAME = "gateway"
NODES = 2
USABLE = "172.18.254.201"
USABLE_OF_CLUSTER = "172.31.254.201"
UNUSABLE = "192.0.2.1"
"""Addresses of Gateways: one of the world's or the cluster's pool, and one that none has (RFC 5737)."""


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="make conformance SUITE=gateway", description=__doc__)
    parser.add_argument("--focus", default="", metavar="RE", help="only tests whose name matches")
    parser.add_argument("--skip", default="", metavar="RE", help="no tests whose name matches")
    parser.add_argument("--procs", type=int, default=4, help="how many tests run at the same time (4)")
    parser.add_argument(
        "--channel", choices=catalogs.CHANNELS, default=catalogs.STANDARD, help="the release channel (standard)"
    )
    parser.add_argument(
        "--all-features", action="store_true", help="all features of the channel, not those of the class' status"
    )
    parser.add_argument(
        "--wait", type=int, metavar="SECONDS", help="the longest wait of a test; the suite's: 60 to 300"
    )
    parser.add_argument("--gateway-class", default="podwire", help="the GatewayClass (podwire)")
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that exists; else a world is started and ended")
    parser.add_argument(
        "--cluster", metavar="NAME", help="a cluster of `python -m tools.cluster up --gateway-api standard`"
    )
    parser.add_argument("--keep", action="store_true", help="... and keep the suite's base objects in it")
    parser.add_argument("--nodes", type=int, default=NODES, help="how many nodes the world has")
    parser.add_argument("--world", default=NAME, help="the name of the world")
    parser.add_argument("--list", action="store_true", help="print the selected tests, run nothing")
    parser.add_argument(
        "--report", nargs="+", type=Path, metavar="FOLDER", help="write the page of these finished runs"
    )
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Build, run, report. Returns the exit status."""
    chosen = arguments(argv)
    try:
        program = programs.build(run.SUITE)
        found = catalogs.read(program)
        if chosen.report:
            return write_page(found, chosen.report)
        selected = select(found, chosen)
        if chosen.list:
            print("\n".join(selected))
            return 0
        return _run_and_report(chosen, program, found, selected)
    except (programs.MissingGoError, record.NoSuchClusterError, ValueError, re.error) as error:
        print(f"conformance: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"conformance: {' '.join(map(str, error.cmd))} failed with status {error.returncode}", file=sys.stderr)
    return 2


def select(found: Catalog, chosen: argparse.Namespace) -> list[str]:
    """The names of the selected tests. Raises re.error.

    Which features are tested is the class' own claim, whatever their channel; claimed by hand are those of the channel.
    """
    tests = [test for test in found.of_gateways() if re.search(chosen.focus, test.name)]
    kept = [test for test in tests if not (chosen.skip and re.search(chosen.skip, test.name))]
    channel = found.features_of(chosen.channel if chosen.all_features else catalogs.EXPERIMENTAL)
    return [test.name for test in kept if set(test.features) <= set(channel)]


def _run_and_report(chosen: argparse.Namespace, program: Path, found: Catalog, selected: Sequence[str]) -> int:
    folder = runs.new_folder(chosen.world)
    records.begin(folder, f"{chosen.channel} channel, {chosen.procs} tests at the same time")
    runs.say(f"{len(selected)} of {len(found.of_gateways())} tests to run; logs in {folder}")
    with _cluster(chosen) as client:
        run.await_class(client, chosen.gateway_class)
        lines = run.run(client, program, _plan(chosen, found, selected), folder, _shown(selected))
    lines = [line for line in lines if line.name in selected]
    records.write(folder, lines)
    results = judge(selected, lines, Tables())
    folder.joinpath("report.md").write_text(table.part(results))
    print(table.part(results))
    if not lines:
        runs.say("\n".join(["the suite ended before its first test:", *run.ending(folder)]))
    if lines and not (chosen.focus or chosen.skip or chosen.cluster or chosen.kubeconfig):
        write_page(found, [folder])
    return _status(results)


def _shown(selected: Sequence[str]) -> Callable[[int, Line], None]:
    """Return what prints each selected test as it ends; the suite skips the others aloud."""
    ended = itertools.count(1)
    show = runs.progress(len(selected))
    return lambda _, line: show(next(ended), line) if line.name in selected else None


def _plan(chosen: argparse.Namespace, found: Catalog, selected: Sequence[str]) -> run.Plan:
    return run.Plan(
        gateway_class=chosen.gateway_class,
        profiles=found.profiles,
        skipped=tuple(test.name for test in found.tests if test.name not in selected),
        features=tuple(found.features_of(chosen.channel)) if chosen.all_features else (),
        parallel=chosen.procs,
        wait_seconds=chosen.wait,
        usable_address=USABLE_OF_CLUSTER if chosen.cluster else USABLE,
        unusable_address=UNUSABLE,
        version=records.describe()[0],
        keep=chosen.keep,
    )


@contextlib.contextmanager
def _cluster(chosen: argparse.Namespace) -> Iterator[world.Client]:
    if chosen.kubeconfig:
        yield world.Client(chosen.kubeconfig)
        return
    archives = images.archives()
    if chosen.cluster:
        found = record.named(chosen.cluster)
        suite.import_images(found, archives)
        yield suite.client(found.layout)
        return
    runs.say(f"world '{chosen.world}' with {chosen.nodes} nodes")
    with world.running(chosen.world, archives, chosen.nodes, ("--gateway-api", chosen.channel)) as client:
        yield client


def write_page(found: Catalog, folders: Sequence[Path]) -> int:
    """Write the page of finished runs; of each test the last end counts. Returns the exit status."""
    past, lines = records.load(folders)
    ran = {line.name for line in lines if line.state != "skipped"}
    ends: list[Line] = [line for line in lines if line.state != "skipped" or line.name not in ran]
    results = judge((test.name for test in found.of_gateways()), ends, Tables())
    reports = [page.Run(record, whole_report(folder)) for record, folder in zip(past, folders, strict=True)]
    for one in reports:
        if one.report:
            DOCUMENT.with_name(one.name).write_text(one.report)
    DOCUMENT.write_text(page.whole(programs.required(images.MODULE, "gateway"), reports, found, results))
    print(f"{table.counts(results)}\nwritten: {DOCUMENT}")
    return _status(results)


def whole_report(folder: Path) -> str:
    """The suite's own report of a run that left no test out; else nothing."""
    report = folder / run.REPORT
    text = report.read_text() if report.exists() else ""
    return "" if "skippedTests" in text else text


def _status(results: Sequence[Result]) -> int:
    return int(any(result.is_surprise for result in results))


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
