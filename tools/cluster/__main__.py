"""`python -m tools.cluster`: a real Kubernetes cluster on this machine."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from tools.cluster import control, enter, record, start, stop
from tools.cluster.api import NotReadyError
from tools.cluster.cgroups import NoHierarchiesError
from tools.cluster.layout import MAX_NODES, OUTSIDE, Layout, folder_of
from tools.conformance.programs import MissingGoError
from tools.conformance.userland import MissingAptError

FAULTS = (
    start.UnsuitableMachineError,
    NoHierarchiesError,
    NotReadyError,
    MissingGoError,
    MissingAptError,
    control.NotRunningError,
    record.NoSuchClusterError,
    LookupError,
    ValueError,
)
"""What is the machine's or the caller's: its text is the message."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="python -m tools.cluster", description=__doc__)
    verbs = whole.add_subparsers(dest="verb", required=True)
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default="cluster", help="the cluster's name (default: %(default)s)")
    up = verbs.add_parser("up", parents=[named], help="start a cluster; it stays until `down`")
    up.add_argument("--nodes", type=int, default=2, choices=range(1, MAX_NODES + 1), metavar="N")
    up.add_argument("--bare", action="store_true", required=True, help="install no network: nodes stay NotReady")
    up.add_argument("--apart", action="store_true", help="the control plane on a host of its own that is no node")
    up.add_argument("--no-pod-ranges", action="store_true", help="give nodes no podCIDRs")
    verbs.add_parser("down", parents=[named], help="end the cluster and remove everything of it")
    verbs.add_parser("status", parents=[named], help="hosts, their programs, the first process of each")
    verbs.add_parser("kubeconfig", parents=[named], help="print the path of the kubeconfig")
    for verb in ("kill", "stop", "start"):
        control_verb = verbs.add_parser(verb, parents=[named], help=CONTROL_HELP[verb])
        control_verb.add_argument("host", metavar="NODE")
        control_verb.add_argument("program")
    run = verbs.add_parser("exec", parents=[named], help=f"run a command on a node, or on `{OUTSIDE}` of all nodes")
    run.add_argument("host", metavar="NODE")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    load = verbs.add_parser("load", parents=[named], help="import an image's archive on each node")
    load.add_argument("archive")
    tests = verbs.add_parser("suite", parents=[named], help="run Kubernetes' own sig-network tests")
    tests.add_argument("--focus", default="", metavar="RE", help="only tests whose name matches")
    tests.add_argument("--skip", default="", metavar="RE", help="no tests whose name matches")
    tests.add_argument("--procs", type=int, default=4, help="how many tests run at the same time (4)")
    tests.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="the longest of a test (600)")
    tests.add_argument("--whole-limit", type=float, default=5400.0, metavar="SECONDS", help="... and of the run (5400)")
    return whole


CONTROL_HELP = {
    "kill": "end a program with SIGKILL; it starts again by itself",
    "stop": "end a program with SIGKILL until `start`",
    "start": "start a program that was stopped",
}


def main(argv: list[str]) -> int:
    """Run one verb; returns the exit status."""
    chosen = parser().parse_args(argv)
    try:
        return VERBS[chosen.verb](chosen)
    except FAULTS as error:
        print(error, file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(map(str, error.cmd[-6:]))}: exit status {error.returncode}", file=sys.stderr)
        print(error.stderr or "", file=sys.stderr)
        return 2


def up(chosen: argparse.Namespace) -> int:
    """Start a cluster."""
    options = start.Options(chosen.name, chosen.nodes, chosen.apart, not chosen.no_pod_ranges)
    layout = start.start(options, say)
    print(f"export KUBECONFIG={layout.kubeconfig}")
    return 0


def down(chosen: argparse.Namespace) -> int:
    """End a cluster, also one of which only files are left."""
    stop.stop(Layout(chosen.name, 1, folder_of(chosen.name)))
    return 0


def status(chosen: argparse.Namespace) -> int:
    """Print a line a program."""
    layout = record.named(chosen.name).layout
    for host in (OUTSIDE, *(host.name for host in layout.hosts)):
        first = control.first_process(layout.socket(host))
        for state in control.request(layout.socket(host), control.Verb.STATUS):
            shown = "stopped" if state.stopped else f"pid {state.pid}" if state.pid else "waits"
            print(f"{host:8} {state.name:24} {shown:12} started {state.starts} times   (first process {first})")
    return 0


def kubeconfig(chosen: argparse.Namespace) -> int:
    """Print the path of the kubeconfig."""
    print(record.named(chosen.name).layout.kubeconfig)
    return 0


def control_program(chosen: argparse.Namespace) -> int:
    """Kill, stop or start one program."""
    layout = record.named(chosen.name).layout
    control.request(layout.socket(chosen.host), control.Verb(chosen.verb), chosen.program)
    return 0


def execute(chosen: argparse.Namespace) -> int:
    """Become the command."""
    layout = record.named(chosen.name).layout
    words = chosen.words[1:] if chosen.words[:1] == ["--"] else chosen.words
    if not words:
        raise ValueError("a command is needed: exec NODE -- COMMAND")
    command = enter.command(layout, chosen.host, words)
    os.environ["PATH"] = f"{layout.programs}:{os.environ['PATH']}"
    os.execvp(command[0], command)


def load(chosen: argparse.Namespace) -> int:
    """Import an image."""
    from tools.cluster import images

    found = record.named(chosen.name)
    images.load(found.layout, found.built, os.path.abspath(chosen.archive))
    return 0


def run_suite(chosen: argparse.Namespace) -> int:
    """Run tests and print their table; 1 where one did not end as it should."""
    from tools.cluster import suite
    from tools.conformance.page import part
    from tools.conformance.selection import Selection
    from tools.conformance.suite import Limits

    limits = Limits(chosen.procs, chosen.limit, chosen.whole_limit)
    done = suite.run(record.named(chosen.name), Selection(chosen.focus, chosen.skip), limits)
    print(part(done.results))
    return int(done.has_surprise)


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


VERBS = {
    "up": up,
    "down": down,
    "status": status,
    "kubeconfig": kubeconfig,
    "kill": control_program,
    "stop": control_program,
    "start": control_program,
    "exec": execute,
    "load": load,
    "suite": run_suite,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
