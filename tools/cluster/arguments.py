"""The command line of `python -m tools.cluster`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from tools.cluster.installation import GATEWAY_CHOICES
from tools.cluster.layout import MAX_NODES, OUTSIDE
from tools.cluster.proof.run import PARTS

SUITE_FOCUS = r"\[Conformance\]|Netpol|NetworkPolic|LoadBalancer|NodePort"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
CONTROL_HELP = {
    "kill": "end a program with SIGKILL; it starts again by itself",
    "stop": "end a program with SIGKILL until `start`",
    "start": "start a program that was stopped",
}


def parser(description: str) -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="python -m tools.cluster", description=description)
    verbs = whole.add_subparsers(dest="verb", required=True)
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", type=cluster_name, default="cluster", help="the cluster's name (default: %(default)s)")
    up = verbs.add_parser("up", parents=[named], help="start a cluster; it stays until `down`")
    up.add_argument("--nodes", type=int, default=2, choices=range(1, MAX_NODES + 1), metavar="N")
    up.add_argument("--bare", action="store_true", help="install no network: nodes stay NotReady")
    up.add_argument("--shop", action="store_true", help="prove each allow and deny of examples/shop too")
    up.add_argument("--apart", action="store_true", help="the control plane on a host of its own that is no node")
    up.add_argument("--no-pod-ranges", action="store_true", help="give nodes no podCIDRs")
    up.add_argument(
        "--gateway-api", choices=GATEWAY_CHOICES, default=GATEWAY_CHOICES[0], help="kinds of Gateways (%(default)s)"
    )
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
    proof = verbs.add_parser("prove", parents=[named], help="prove everything in a cluster of its own; writes the page")
    proof.add_argument("--nodes", type=int, default=2, choices=range(2, MAX_NODES + 1), metavar="N")
    proof.add_argument("--parts", default=",".join(PARTS), help="comma-separated (default: %(default)s)")
    proof.add_argument(
        "--page", type=Path, nargs="+", metavar="FOLDER", help="only write the page of these finished proofs of parts"
    )
    add_suite_flags(tests, "")
    add_suite_flags(proof, SUITE_FOCUS)
    return whole


def cluster_name(text: str) -> str:
    """The text, which names folders and control groups. Raises ArgumentTypeError where it cannot."""
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: use up to 40 lower-case letters, digits and '-', no '-' at an end")
    return text


def add_suite_flags(verb: argparse.ArgumentParser, focus: str) -> None:
    """What is run of the suite, and how."""
    verb.add_argument(
        "--focus", default=focus, metavar="RE", help="only tests whose name matches (default: %(default)r)"
    )
    verb.add_argument("--skip", default="", metavar="RE", help="no tests whose name matches")
    verb.add_argument("--procs", type=int, default=4, help="how many tests run at the same time (4)")
    verb.add_argument("--limit", type=float, default=600.0, metavar="SECONDS", help="the longest of a test (600)")
    verb.add_argument("--whole-limit", type=float, default=5400.0, metavar="SECONDS", help="... and of the run (5400)")
