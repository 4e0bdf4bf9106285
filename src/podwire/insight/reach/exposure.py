"""What clients outside reach by the addresses and node ports of Services, as policies admit them. Pure."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from podwire.insight.reach.naming import Names
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.rows import first_outside
from podwire.insight.reach.selector_sets import numbers
from podwire.insight.snapshot.endpoints import Backing, backings
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.addresses import parsed
from podwire.kube.core import Node
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service, ServicePort
from podwire.policy.intervals import Interval

LOCAL = "Local"
OUTSIDE = "outside"


class Exposure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One way from outside to pods.

    Attributes:
        kind, name: the object that opens it.
        address: what clients use: address and port, node port, or host.
        to: the pods' ports, as `shop/web:8080/TCP`; empty where the Service selects no pods.
        reached_by: the clients that policies admit; empty: none.

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

    def through_nodes(self, workload: Workload, protocol: str, port: int) -> bool | None:
        """Whether nodes reach a port of pods on other nodes; None where that depends on the node's address."""
        own = {pod.node for pod in workload.pods}
        found = {
            self._reaches(family.axis.pods + part, workload, protocol, port, number)
            for number, family in self.parties.answer.families.items()
            for part, nodes in self._nodes[number].items()
            if nodes - own or len(own) > 1
        }
        return found.pop() if len(found) == 1 else None

    @functools.cached_property
    def _nodes(self) -> Mapping[int, Mapping[int, frozenset[str]]]:
        """The nodes with addresses in each part of those outside, by family; in every part where no node is known."""
        found: dict[int, dict[int, frozenset[str]]] = {}
        for number, family in self.parties.answer.families.items():
            parts, known = found.setdefault(number, {}), sorted(_node_addresses(self.snapshot.nodes, number))
            for part, intervals in enumerate(family.outside):
                names = frozenset(name for span in intervals for name in _within(span, known))
                if names or not self.snapshot.nodes:
                    parts[part] = names or frozenset(("",))
        return found

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


def _node_addresses(nodes: Iterable[Node], family: int) -> Iterator[tuple[int, str]]:
    for node in nodes:
        for one in map(parsed, node.internal_addresses):
            if one is not None and one.version == family:
                yield int(one), node.metadata.name


def _within(span: Interval, known: Sequence[tuple[int, str]]) -> Iterator[str]:
    """Yield the nodes with an address of the interval, of those that are sorted by address."""
    for address, name in itertools.islice(known, bisect.bisect_left(known, (span[0], "")), None):
        if address > span[1]:
            return
        yield name


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
    by = _admitted(service, port, behind, sources)
    for kind, address in opened:
        ranges = service.spec.load_balancer_source_ranges if kind == "LoadBalancer" and by else ()
        yield Exposure(kind, str(service.key), address, to, f"{by}, in {', '.join(ranges)} only" if ranges else by)


def _admitted(service: Service, port: ServicePort, behind: Iterable[Backing], sources: Sources) -> str:
    """Return who is admitted: clients have their own address on the node of a pod, else that of the node before it."""
    targets = [(one.workload, port.protocol, one.port) for one in behind if one.workload and one.port]
    direct = ", ".join(sorted(filter(None, {sources.outside(*one) for one in targets})))
    if service.spec.external_traffic_policy == LOCAL or len(sources.snapshot.nodes) == 1 or direct in ("", OUTSIDE):
        return direct
    through = {sources.through_nodes(*one) for one in targets}
    word = {True: "anyone", False: "nobody", None: "by its address"}[through.pop() if len(through) == 1 else None]
    return f"{direct}; through another node {word}"


def _addresses(service: Service, port: ServicePort) -> Iterator[tuple[str, str]]:
    if service.spec.type == "LoadBalancer":
        known = [one.ip or one.hostname for one in service.status.load_balancer.ingress]
        for address in filter(None, known or ["its address"]):
            yield "LoadBalancer", f"{address}:{port.port}/{port.protocol}"
    for address in service.spec.external_ips:
        yield "ExternalIP", f"{address}:{port.port}/{port.protocol}"
    if port.node_port or service.spec.type == "NodePort":
        yield "NodePort", f"node:{port.node_port or 'any'}/{port.protocol}"
