"""podwire and CoreDNS follow one API server with random objects: they must answer alike, but for what the docs name."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from bench.api_server import api_server, make_keys
from bench.isolation import in_sandbox
from bench.peer_programs import MissingPeerError, built
from bench.wire import Connection

from bench import dns as peers
from tests.dns.differential.random_objects import NAMESPACES, Cluster, questions
from tools.conformance import programs

CHANGES_A_ROUND = 6
ROUNDS = 10
PATIENCE_SECONDS = 20.0

COREFILE = f"""
.:{peers.PORTS["podwire"]} {{
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        pods insecure
    }}
    loadbalance
}}
"""

Answer = tuple[str, frozenset[str]]
"""The code, NODATA where it has no records, and the records without their times to live."""


def answer(port: int, name: str, kind: str) -> Answer:
    query = dns.message.make_query(name, kind)
    found = _received(query, port)
    records = {_text(one.rdtype, str(one.name), data) for one in found.answer for data in one}
    code = dns.rcode.to_text(found.rcode())
    return ("NODATA" if code == "NOERROR" and not records else code), frozenset(records)


def _received(query: dns.message.Message, port: int) -> dns.message.Message:
    """The answer by UDP, or by TCP where it is cut. A datagram may be lost, three are not."""
    for _ in range(3):
        try:
            found = dns.query.udp(query, "127.0.0.1", port=port, timeout=10)
        except dns.exception.Timeout:
            continue
        if found.flags & dns.flags.TC:
            return dns.query.tcp(query, "127.0.0.1", port=port, timeout=30)
        return found
    raise AssertionError(f"port {port} does not answer {query.question[0]}")


def _text(kind: int, owner: str, data: object) -> str:
    """A record as it is compared: weights of SRV records and the serial number of a zone are each server's own."""
    words = str(data).split()
    if kind == dns.rdatatype.SRV:
        words = words[2:]
    if kind == dns.rdatatype.SOA:
        words = words[:1]
    return " ".join((owner.lower(), dns.rdatatype.to_text(dns.rdatatype.RdataType(kind)), *words))


def differences(ours: int, theirs: int) -> list[tuple[str, str, Answer, Answer]]:
    found = []
    for name, kind in questions():
        one, two = answer(ours, name, kind), answer(theirs, name, kind)
        if one != two:
            found.append((name, kind, one, two))
    return found


def settled(ours: int, theirs: int) -> list[tuple[str, str, Answer, Answer]]:
    """The differences that stay: CoreDNS needs a moment for each change."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    before: list[tuple[str, str, Answer, Answer]] | None = None
    while (now := differences(ours, theirs)) and (now != before or time.monotonic() < deadline - 15):
        before = now
        time.sleep(0.3)
    return now


def sample(seed: int, rounds: int, coredns: Path) -> list[tuple[str, str, Answer, Answer]]:
    """Differences of all rounds."""
    found: list[tuple[str, str, Answer, Answer]] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podwire-dns-")))
        make_keys(folder)
        served = stack.enter_context(api_server(folder, folder / "store.db", durable=False))
        connection, cluster = Connection(served), Cluster(seed)
        for namespace in NAMESPACES:
            connection.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        ours = stack.enter_context(peers.podwire_server(served, folder, "podwire", corefile=COREFILE))
        theirs = stack.enter_context(peers.coredns_server(coredns, served, folder, "CoreDNS", 1, cached=False))
        for _ in range(rounds):
            for _ in range(CHANGES_A_ROUND):
                for method, path, body in cluster.change():
                    connection.ask(method, path, body)
            found += settled(ours.port, theirs.port)
    return found


def reason(kind: str, ours: Answer, theirs: Answer) -> str:
    """The reason of a difference that docs/reference/dns.md lists; empty for any other."""
    if kind == "SOA":
        return "the name of the zone's server"
    aliases = {record for record in ours[1] if " CNAME " in record}
    if aliases and not any(" CNAME " in record for record in theirs[1]):
        return "an ExternalName is an alias for every type, also where its target has no such records"
    return ""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
def test_podwire_answers_as_coredns_does(seed: int) -> None:
    try:
        coredns = built(programs.CLUSTER_DNS)
    except MissingPeerError as error:
        pytest.skip(str(error))
    found = [one for one in in_sandbox(sample, seed, ROUNDS, coredns) if not reason(*one[1:])]
    counted = Counter((kind, ours[0], theirs[0]) for _, kind, ours, theirs in found)
    assert not found, f"{counted}: {found[:5]}"
