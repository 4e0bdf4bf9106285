"""`python -m tools.cluster`: a real Kubernetes cluster on this machine."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

from podwire.lab.demo import report
from tools.cluster import control, enter, images, installation, kubectl, record, start, stop, suite
from tools.cluster.api import NotReadyError
from tools.cluster.arguments import parser
from tools.cluster.cgroups import NoHierarchiesError
from tools.cluster.layout import OUTSIDE, Layout, folder_of
from tools.cluster.proof import run as proof
from tools.cluster.proof import shop
from tools.cluster.proof.run import PARTS, Plan
from tools.conformance.page import part
from tools.conformance.programs import MissingGoError
from tools.conformance.selection import Selection
from tools.conformance.suite import Limits
from tools.conformance.userland import MissingAptError

FAULTS = (
    start.UnsuitableMachineError,
    NoHierarchiesError,
    NotReadyError,
    MissingGoError,
    MissingAptError,
    control.NotRunningError,
    record.NoSuchClusterError,
    installation.NoImageError,
    kubectl.KubectlError,
    LookupError,
    ValueError,
)
"""What is the machine's or the caller's: its text is the message."""


NEXT_STEPS = """
The cluster stays until `python -m tools.cluster down --name {name}`. Look around:

  export KUBECONFIG={kubeconfig}
  kubectl get nodes,pods -A -o wide
  podwire status; podwire rows services; podwire doctor
  python -m tools.cluster exec --name {name} node-1 -- nft list tables
  python -m tools.cluster kill --name {name} node-1 kube-apiserver
  python -m tools.cluster suite --name {name} --focus Services"""


def main(argv: list[str]) -> int:
    """Run one verb; returns the exit status."""
    chosen = parser(__doc__ or "").parse_args(argv)
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
    archives = () if chosen.bare else installation.images(chosen.gateway_api)
    options = start.Options(chosen.name, chosen.nodes, chosen.apart, not chosen.no_pod_ranges, archives)
    layout = start.start(options, say)
    if not chosen.bare:
        installation.install(record.named(chosen.name), chosen.gateway_api, say)
    lines = _prove_shop(chosen.name) if chosen.shop else ()
    print(NEXT_STEPS.format(name=chosen.name, kubeconfig=layout.kubeconfig))
    return int(not all(line.ok for line in lines))


def _prove_shop(name: str) -> tuple[report.Line, ...]:
    """Apply the shop and print its table."""
    found = record.named(name)
    run = kubectl.of(found.layout.kubeconfig)
    shop.apply(found, run)
    lines = shop.prove(run)
    print(report.text(lines, ()))
    return lines


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
    found = record.named(chosen.name)
    images.load(found.layout, found.built, os.path.abspath(chosen.archive))
    return 0


def run_suite(chosen: argparse.Namespace) -> int:
    """Run tests and print their table; 1 where one did not end as it should."""
    done = suite.run(record.named(chosen.name), Selection(chosen.focus, chosen.skip), _limits(chosen))
    print(part(done.results))
    return int(done.has_surprise)


def prove(chosen: argparse.Namespace) -> int:
    """Prove everything and write the page, or prove some parts; 1 where something did not hold."""
    parts = tuple(part for part in PARTS if part in chosen.parts.split(","))
    plan = Plan(chosen.name, chosen.nodes, parts, Selection(chosen.focus, chosen.skip), _limits(chosen))
    folders = chosen.page or [proof.prove(plan, say)]
    say(f"the evidence is in {', '.join(map(str, folders))}")
    if chosen.page or parts == PARTS:
        proof.write_page(folders)
        say(f"written: {proof.DOCUMENT}")
    return int(not proof.evidence_of(folders).ok)


def _limits(chosen: argparse.Namespace) -> Limits:
    return Limits(chosen.procs, chosen.limit, chosen.whole_limit)


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
    "prove": prove,
}


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell that starts it in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
