"""Connections of pods that leave by an EgressGateway, over those of pods that leave by their own node.

    python -m bench.egress --pods 1000

Each sample is a fresh node with so many selected pods, and a server outside of the cluster. A pod of the gateway node
gets the gateway's address there; a pod of another node keeps its own and is routed by the table of its gateway. Runs of
both kinds of pods take turns; the ratio is the median of the ratios of all pairs of runs.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import socket
import statistics
import time
from collections.abc import Iterator

from tests.policy.wire import Wire

from bench.connections import POD_PORT, answer, connect
from bench.figure import Figure
from bench.isolation import background, in_sandbox
from podwire.egress.element_sink import ElementSink
from podwire.egress.model import EVERYWHERE
from podwire.egress.route_sink import RouteSink
from podwire.egress.rows import THROW, UNREACHABLE, VIA, RouteRow, RuleRow, WayRow
from podwire.engine.row import Delta
from podwire.kernel.element_row import ElementRow
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kernel.nftables import Nftables

RANGE = ipaddress.ip_network("10.0.0.0/8")
SELECTED, OTHER = ipaddress.ip_address("10.0.0.1"), ipaddress.ip_address("10.0.0.2")
SERVER, STABLE = ipaddress.ip_address("192.0.2.2"), ipaddress.ip_address("192.0.2.250")
TABLE = 0x7000002A
GATEWAY, POD = "gateway", "pod"
WARM_UP, SAMPLES = 3, 5
AS_NODE = f"""
table inet bench {{
    chain postrouting {{
        type nat hook postrouting priority srcnat + 5;
        ip saddr {OTHER} ip daddr != 10.0.0.0/8 masquerade fully-random
    }}
}}
"""
"""What pods.nft does for pods that no gateway selects."""


def sample(pods: int, turns: int, kind: str) -> float:
    """The rate of a selected pod over that of another; `kind` of the node: GATEWAY or POD. Needs a sandbox."""
    wire = Wire({"x/a": str(SELECTED), "x/b": str(OTHER)}, ports=())
    wire.plug("out", str(SERVER), "eth1")
    wire.node.run("ip", "addr", "add", "192.0.2.1/32", "dev", "eth1")
    enter_network(wire.node.path)
    asyncio.run(_load(pods, is_gateway=kind == GATEWAY))
    Nftables().run(AS_NODE)
    with inside_network(wire.hosts["out"].path):
        listener = socket.create_server((str(SERVER), POD_PORT), backlog=256)
    with background(answer, listener):
        ratios = [_pair(wire, turn) for turn in range(WARM_UP + turns)]
    return statistics.median(ratios[WARM_UP:])


async def _load(pods: int, *, is_gateway: bool) -> None:
    everywhere = EVERYWHERE[4]
    mine = [SELECTED, *(SELECTED + number for number in range(2, pods + 1))]
    elements = [ElementRow("ranges4", (RANGE,))]
    for pod in mine:
        elements.append(ElementRow("leaving4", (pod, everywhere), (STABLE if is_gateway else pod,)))
        if not is_gateway:
            elements.append(ElementRow("through4", (pod, everywhere)))
    sink = ElementSink.here()
    await sink.read()
    await sink.write(Delta(tuple(elements)))
    if is_gateway:
        return
    ways: list[RouteRow] = [WayRow(TABLE, RANGE, THROW), WayRow(TABLE, everywhere, UNREACHABLE)]
    ways += [WayRow(TABLE, everywhere, VIA, SERVER), *(RuleRow(pod, TABLE) for pod in reversed(mine))]
    await RouteSink().write(Delta(tuple(ways)))


def _pair(wire: Wire, turn: int) -> float:
    seconds = {}
    for host in ("x/a", "x/b") if turn % 2 else ("x/b", "x/a"):
        with inside_network(wire.hosts[host].path):
            began = time.perf_counter()
            connect((str(SERVER), POD_PORT))
            seconds[host] = time.perf_counter() - began
    return seconds["x/b"] / seconds["x/a"]


def figures(*, quick: bool) -> Iterator[Figure]:
    """On the gateway node with 1,000 selected pods, and on a pod's own with 100."""
    turns, samples = (60, 1) if quick else (300, SAMPLES)
    for pods, kind, where in ((1_000, GATEWAY, "on its node"), (100, POD, "by another node")):
        found = [in_sandbox(sample, pods, turns, kind) for _ in range(samples)]
        text = f"connections/s of a pod that leaves by a gateway {where}, {pods:,} such pods : of others"
        yield Figure(text, statistics.median(found), "x")


def main() -> None:
    """Print the ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=300)
    options = parser.parse_args()
    print(json.dumps({kind: in_sandbox(sample, options.pods, options.turns, kind) for kind in (GATEWAY, POD)}))


if __name__ == "__main__":
    main()
