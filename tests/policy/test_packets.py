"""What the kernel does with real packets under the rows that policies ask for."""

import itertools

from podwire.engine.table import Table
from podwire.kernel.namespaces import enter_network
from podwire.kernel.nftables import Nftables
from podwire.policy.rows import Row
from podwire.policy.sink import NftablesSink
from podwire.policy.view import Owner
from tests.policy.cluster import Cluster
from tests.policy.netpol import CASES, KEYS, Case, addresses, model
from tests.policy.wire import Probe, Wire
from tests.sandbox import sandboxed


class Enforced:
    """The table in the kernel of this thread's namespace, kept equal to what a cluster asks for."""

    def __init__(self) -> None:
        self.sink = NftablesSink(Nftables())
        self._table: Table[Owner, Row] = Table()

    async def enforce(self, cluster: Cluster) -> None:
        self._table.holds(tuple(await self.sink.read()))
        for owner in self._table.owners() - cluster.rows.keys():
            self._table.replace(owner, ())
        cluster.settle()
        for owner, rows in cluster.rows.items():
            self._table.replace(owner, rows)
        delta = self._table.delta(prune=True)
        await self.sink.write(delta)


def probes_of(case: Case) -> tuple[list[Probe], set[Probe]]:
    """Every pair of pods in both families, and those that must come through."""
    probes: list[Probe] = []
    expected: set[Probe] = set()
    for (protocol, port), source, destination in itertools.product(case.probes, KEYS, KEYS):
        for address in addresses(destination).split():
            probe = Probe(source, address, protocol, port)
            probes.append(probe)
            if case.allowed(source, destination, protocol, port):
                expected.add(probe)
    return probes, expected


@sandboxed
async def test_upstream_cases_with_packets() -> None:
    wire = Wire({key: addresses(key) for key in KEYS})
    enter_network(wire.node.path)
    failures: list[str] = []
    kernel = Enforced()
    for case in CASES:
        cluster = model()
        case.apply(cluster)
        await kernel.enforce(cluster)
        probes, expected = probes_of(case)
        reached = wire.reached(probes, expected)
        failures += [f"{case.title}: denied but reached {p}" for p in reached - expected]
        failures += [f"{case.title}: allowed but not reached {p}" for p in expected - reached]
    assert not failures, "\n".join(failures[:20])
