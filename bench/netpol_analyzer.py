"""netpol-analyzer (github.com/np-guard/netpol-analyzer), a static analysis in Go: the peer of `podwire reach`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec

from bench.isolation import UnsuitableMachineError
from podwire.insight.reach.report import Connection, Report
from tools.conformance import programs

VARIABLE = "NETPOL_ANALYZER"
Pairs = dict[tuple[str, str], str]
"""Ports by source and destination, workloads as namespace/name."""


class MissingAnalyzerError(UnsuitableMachineError):
    """The program is not here. The text says how to get it."""


def program(folder: Path) -> Path:
    """Return the program: of the variable (a program, or its sources, which are built into `folder`), or of PATH.

    Raises MissingAnalyzerError.
    """
    named = os.environ.get(VARIABLE) or shutil.which("netpol-analyzer")
    if not named:
        raise MissingAnalyzerError(
            f"set {VARIABLE} to the program of github.com/np-guard/netpol-analyzer, or to a folder of its sources"
        )
    path = Path(named)
    if not path.is_dir():
        return path
    built = folder / "netpol-analyzer"
    try:
        command = [programs.go(), "build", "-o", str(built), "./cmd/netpolicy"]
        subprocess.run(command, cwd=path, env=programs.environment(), check=True)
    except (programs.MissingGoError, subprocess.CalledProcessError) as error:
        raise MissingAnalyzerError(f"{path} cannot be built: {error}") from None
    return built


def command(binary: Path, manifests: Path) -> list[str]:
    """How it lists all connections of a folder."""
    return [str(binary), "list", "--quiet", "--output", "json", "--dirpath", str(manifests)]


def pairs(output: str) -> Pairs:
    """Return the connections between workloads. Those with addresses outside are in other ranges than podwire's."""
    found = {}
    for one in json.loads(output):
        source, destination = (one[end].partition("[")[0] for end in ("src", "dst"))
        if "/" in source and "/" in destination:
            found[source, destination] = _ports(one["conn"])
    return found


def own_pairs(output: str) -> Pairs:
    """Return the same of podwire's answer, without what the other program leaves out: itself, assumed DNS servers."""
    report = msgspec.json.decode(output, type=Report)
    left_out = {one.name for one in report.workloads if one.is_assumed}
    return {
        (source, destination): _own_ports(one)
        for one in report.connections
        for source in one.from_
        for destination in one.to
        if source != destination and not {source, destination} & left_out
        if not source.startswith("outside") and not destination.startswith("outside")
    }


def _ports(text: str) -> str:
    if text == "All Connections":
        return "any"
    return " ".join(sorted(re.split(r",(?=[A-Z])", text)))


def _own_ports(one: Connection) -> str:
    if one.ports == "any":
        return "any"
    return " ".join(sorted(re.split(r", (?=[A-Z])", one.ports)))
