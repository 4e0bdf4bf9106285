"""What clients outside reach by the addresses and node ports of Services, as policies admit them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.reach.naming import Names
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.rows import first_outside
from podwire.insight.reach.selector_sets import numbers
from podwire.insight.snapshot.endpoints import backings
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service, ServicePort


class Exposure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One way from outside to pods.

    Attributes:
        kind, name: the object that opens it.
        address: what clients use: address and port, node port, or host.
        to: the pods' ports, as `shop/web:8080/TCP`; empty where the Service leads to no pods.
        reached_by: whom policies let in; empty: nobody.

    """

    kind: str
    name: str
    address: str
    to: tuple[str, ...] = ()
    reached_by: str = ""


class Sources:
    """Who reaches ports of workloads."""

    def __init__(self, snapshot: Snapshot, parties: Parties) -> None:
        self.snapshot, self.parties, self.names = snapshot, parties, Names(parties)
        self._classes: dict[NamespacedName, int] = {}
        for number, one in enumerate(parties.all):
            self._classes[one.key] = self._classes.get(one.key, 0) | parties.classes(number)

    def classes(self, owner: NamespacedName) -> list[int]:
        """Return the classes of the pods of an owner."""
        return numbers(self._classes.get(owner, 0))

    def outside(self, workload: Workload, protocol: str, port: int) -> str:
        """Return the addresses outside that reach a port of the pods, as words."""
        answer, mask = self.parties.answer, 0
        for number, family in answer.families.items():
            for part in range(len(family.outside)):
                if self._reaches(family.axis.pods + part, workload, protocol, port, number):
                    mask |= 1 << first_outside(answer, number) + part
        return ", ".join(self.names.outside(self.parties.members(mask)))

    def pods(self, source: Workload, workload: Workload, protocol: str, port: int) -> bool:
        """Whether pods of a workload reach a port of those of another."""
        return any(
            self._reaches(one, workload, protocol, port, family)
            for one in self.classes(source.owner.key)
            for family in self.parties.answer.families
        )

    def _reaches(self, source: int, workload: Workload, protocol: str, port: int, family: int) -> bool:
        matrix = self.parties.answer.families[family].matrix
        targets = self.classes(workload.owner.key)
        return any(matrix.ports.holds(matrix.between(source, one), protocol, port) for one in targets)


def of_services(sources: Sources) -> Iterator[Exposure]:
    """Yield the ways by addresses and node ports of Services."""
    for service in sources.snapshot.services:
        for port in service.spec.ports:
            yield from _of_service(service, port, sources)


def _of_service(service: Service, port: ServicePort, sources: Sources) -> Iterator[Exposure]:
    opened = list(_addresses(service, port))
    if not opened:
        return
    behind = [one for one in backings(service, port, sources.snapshot) if one.workload and one.port]
    to = tuple(f"{one.workload}:{one.port}/{port.protocol}" for one in behind)
    reached = {sources.outside(one.workload, port.protocol, one.port) for one in behind if one.workload and one.port}
    for kind, address in opened:
        by = ", ".join(sorted(filter(None, reached)))
        ranges = service.spec.load_balancer_source_ranges if kind == "LoadBalancer" and by else ()
        yield Exposure(kind, str(service.key), address, to, f"{by}, in {', '.join(ranges)} only" if ranges else by)


def _addresses(service: Service, port: ServicePort) -> Iterator[tuple[str, str]]:
    if service.spec.type == "LoadBalancer":
        known = [one.ip or one.hostname for one in service.status.load_balancer.ingress]
        for address in filter(None, known or ["its address"]):
            yield "LoadBalancer", f"{address}:{port.port}/{port.protocol}"
    for address in service.spec.external_ips:
        yield "ExternalIP", f"{address}:{port.port}/{port.protocol}"
    if port.node_port or service.spec.type == "NodePort":
        yield "NodePort", f"node:{port.node_port or 'any'}/{port.protocol}"
