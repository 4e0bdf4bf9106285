"""netpol-analyzer (github.com/np-guard/netpol-analyzer), a static analysis in Go: the peer of `podwire reach`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

from bench.peer_programs import built
from podwire.insight.reach.report import Connection, Report
from tools.conformance import programs

Pairs = dict[tuple[str, str], str]
"""Ports by source and destination, workloads as namespace/name."""


def program() -> Path:
    """Return the program; the first build takes two minutes. Raises MissingPeerError."""
    return built(programs.NETPOL_ANALYZER)


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


def differences(ours: Pairs, theirs: Pairs) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the pairs with another answer: both answers, empty where the pair is not connected."""
    every = sorted(ours.keys() | theirs.keys())
    found = {pair: (ours.get(pair, ""), theirs.get(pair, "")) for pair in every}
    return {pair: both for pair, both in found.items() if both[0] != both[1]}


def _ports(text: str) -> str:
    if text == "All Connections":
        return "any"
    return " ".join(sorted(re.split(r",(?=[A-Z])", text)))


def _own_ports(one: Connection) -> str:
    if one.ports == "any":
        return "any"
    return " ".join(sorted(re.split(r", (?=[A-Z])", one.ports)))
