"""podwire's agent against kube-proxy in nftables mode: the same objects from the same API server, in turns.

    python -m bench.proxies --services 5000 --rounds 3

Each sample is a program started on a new node. `cold` runs from its start to its last transaction; a change from just
before the PATCH of an EndpointSlice to the moment at which the kernel reports the new address. Changes are so far apart
that kube-proxy's shortest time between two of its transactions (1 s) delays none. Root is needed: kube-proxy writes all
Services in one transaction, which is larger than a user namespace lets it send.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import service_objects
from bench.api_server import Served, api_server, make_keys
from bench.figure import Figure
from bench.isolation import in_root_sandbox
from bench.kernel_watch import Arrivals
from bench.node_proxies import API_ADDRESS, Command, NodeProxy, agent, join_network, kube_proxy, node_proxy
from bench.peer_programs import built
from bench.wire import Connection, accepted
from tools.conformance import programs

PEER, OURS = "kube-proxy", "podwire"
COMMANDS: dict[str, Command] = {PEER: kube_proxy, OURS: agent}
CHANGES, APART_SECONDS = 7, 1.6


@dataclass(frozen=True)
class Sample:
    """What one process took."""

    cold: float
    cold_processor: float
    changes: tuple[float, ...]
    """Milliseconds of each."""

    megabytes: float


def compare(
    services: int, endpoints: int, rounds: int, names: tuple[str, ...] = (PEER, OURS)
) -> dict[str, list[Sample]]:
    """Samples of each in turns, with one API server for all. Needs a sandbox (bench.isolation)."""
    found: dict[str, list[Sample]] = {name: [] for name in names}
    with serving(services, endpoints) as served:
        for turn in range(rounds):
            for position, name in enumerate(names if turn % 2 == 0 else tuple(reversed(names))):
                first = (turn * len(names) + position) * CHANGES
                with node_proxy(served, COMMANDS[name]) as node:
                    found[name].append(_sample(served, node, services, endpoints, first))
    return found


@contextlib.contextmanager
def serving(services: int, endpoints: int) -> Iterator[Served]:
    """An API server with these objects in this namespace."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-", dir="/run") as place:
        keys = Path(place)
        make_keys(keys, API_ADDRESS)
        join_network()
        with api_server(keys, keys / "store.db", durable=False, address="0.0.0.0") as served:
            service_objects.write(served, services, endpoints)
            yield served


def _sample(served: Served, node: NodeProxy, services: int, endpoints: int, first: int) -> Sample:
    cold, processor = node.cold_seconds(services * endpoints), node.processor_seconds()
    connection, arrivals = Connection(served), Arrivals(node.host.path)
    changes = tuple(_change(connection, arrivals, turn, services, endpoints) for turn in range(first, first + CHANGES))
    arrivals.close()
    return Sample(cold, processor, changes, node.megabytes())


def _change(connection: Connection, arrivals: Arrivals, turn: int, services: int, endpoints: int) -> float:
    address = service_objects.fresh_address(turn)
    prepared = service_objects.change(turn * 7919 % services, endpoints, address)
    time.sleep(APART_SECONDS)
    began = time.perf_counter()
    if not accepted(answer := connection.send(prepared)):
        raise RuntimeError(f"a change was refused: {answer[:500]!r}")
    return (arrivals.of(address) - began) * 1e3


GOALS = {1_000: (1.67, 6.6), 5_000: (5.0, 20.0)}
"""For so many Services: how many times faster than kube-proxy the cold start and a change shall be."""


def figures(*, quick: bool) -> Iterator[Figure]:
    """Both beside each other, and the ratios. Raises MissingPeerError where kube-proxy cannot be built."""
    built(programs.KUBE_PROXY)
    for services, (cold, change) in list(GOALS.items())[: 1 if quick else None]:
        found = in_root_sandbox(compare, services, 10, 1 if quick else 3)
        peer, ours = found[PEER], found[OURS]
        size = f"{services:,} services x 10 endpoints"
        for name, samples in found.items():
            yield Figure(f"{size}, cold start to programmed, {name}", _cold(samples), "s")
        yield Figure(f"{size}, cold start, kube-proxy : podwire", _cold(peer) / _cold(ours), "x", cold, at_least=True)
        work = _worked(peer) / _worked(ours)
        yield Figure(f"{size}, cold start's processor time, kube-proxy : podwire", work, "x")
        for name, samples in found.items():
            yield Figure(f"{size}, one endpoint's change, {name}", _changed(samples), "ms")
        yield Figure(
            f"{size}, one endpoint's change, kube-proxy : podwire",
            _changed(peer) / _changed(ours),
            "x",
            change,
            at_least=True,
        )
        for name, samples in found.items():
            yield Figure(f"{size}, memory, {name}", statistics.median(one.megabytes for one in samples), "MB")


def many_endpoints(*, quick: bool) -> Iterator[Figure]:
    """podwire alone with 50 endpoints a Service; for kube-proxy each of these takes minutes (kubernetes #135639)."""
    services = 1_000 if quick else 5_000
    (found,) = in_root_sandbox(compare, services, 50, 1, (OURS,))[OURS]
    name = f"{50 * services:,} endpoints in {services:,} services"
    yield Figure(f"{name}, cold start to programmed", found.cold, "s")
    yield Figure(f"{name}, one endpoint's change", statistics.median(found.changes), "ms", 50)
    yield Figure(f"{name}, memory", found.megabytes, "MB")


def _cold(samples: list[Sample]) -> float:
    return statistics.median(sample.cold for sample in samples)


def _worked(samples: list[Sample]) -> float:
    return statistics.median(sample.cold_processor for sample in samples)


def _changed(samples: list[Sample]) -> float:
    return statistics.median(taken for sample in samples for taken in sample.changes)


def main() -> None:
    """Print the samples as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1_000)
    parser.add_argument("--endpoints", type=int, default=10, help="of each Service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--proxy", choices=COMMANDS, action="append", help="only this one")
    options = parser.parse_args()
    names = tuple(options.proxy or COMMANDS)
    if PEER in names:
        built(programs.KUBE_PROXY)
    found = in_root_sandbox(compare, options.services, options.endpoints, options.rounds, names)
    print(json.dumps({name: [asdict(sample) for sample in samples] for name, samples in found.items()}, indent=2))


if __name__ == "__main__":
    main()
