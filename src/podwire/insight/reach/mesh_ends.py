"""Pods as the policies of the mesh distinguish them, and the ports and addresses that these read. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterator, Sequence

import msgspec

from podwire.insight.mesh_policies.ends import Mesh, enrolled_selectors
from podwire.insight.mesh_policies.reading import mesh_of, workload_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload as Pods
from podwire.kube.meta import NamespacedName
from podwire.mesh.authorization.model import Operation, Policy, Source
from podwire.mesh.model.workload import Workload
from podwire.policy.model import Block, Ports

TCP = "TCP"
NO_WORKLOAD = -1
"""The number of pods that use the network of their node: the mesh does not know them."""


class MeshEnds:
    """Pods that are the same to the mesh have one number."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.mesh: Mesh = mesh_of(snapshot)
        self.found: list[Workload] = []
        self._numbers: dict[Hashable, int] = {}
        self._namespaces = snapshot.namespaces
        self._selectors = enrolled_selectors(snapshot.services)
        self._keys = set(snapshot.mesh.label_keys)
        for one in snapshot.services:
            self._keys.update(one.spec.selector)

    def number(self, pods: Pods) -> int:
        """Return the number of pods of a workload."""
        if pods.spec.host_network:
            return NO_WORKLOAD
        nodes = {one.node for one in pods.pods if not one.is_finished}
        node = nodes.pop() if len(nodes) == 1 else ""
        labels = self._namespaces.get(pods.namespace, {})
        made = workload_of(pods, labels, self._selectors.get(pods.namespace, ()), node=node)
        read = {key: value for key, value in made.labels.items() if key in self._keys}
        one = msgspec.structs.replace(made, key=NamespacedName(made.namespace, ""), labels=read)
        key = (
            one.namespace, one.service_account, tuple(sorted(read.items())), one.node,
            one.enrolled, one.redirected, tuple(sorted(one.named_ports.items())),
        )  # fmt: skip
        if key not in self._numbers:
            self._numbers[key] = len(self.found)
            self.found.append(one)
        return self._numbers[key]

    def restricted(self) -> Sequence[int]:
        """Return the numbers of pods to which something may be closed."""
        return [number for number, one in enumerate(self.found) if one.enrolled and self._is_restricted(one)]

    def _is_restricted(self, one: Workload) -> bool:
        whole, ports = self.mesh.transport.modes(one)
        return bool(self.mesh.unreadable or whole or any(ports.values()) or self.mesh.authorization.policies_of(one))

    def ports_of(self, number: int) -> frozenset[int]:
        """Return the ports of pods that may be another matter than their other ones."""
        one, found = self.found[number], set[int]()
        for policy in self.mesh.authorization.policies_of(one):
            found |= frozenset(_ports(policy))
        return frozenset(found | self.mesh.transport.modes(one)[1].keys() | self.mesh.authorization.http_ports(one))

    def ports(self) -> Iterator[Ports]:
        """Yield all of them."""
        for port in sorted({port for number in self.restricted() for port in self.ports_of(number)}):
            yield Ports(TCP, port, port)

    def blocks(self) -> tuple[Block, ...]:
        """Return the ranges of addresses that rules have."""
        policies = self.mesh.authorization.policies
        found = (
            text for policy in policies for one in _sources(policy) for text in (*one.addresses, *one.not_addresses)
        )
        return tuple(Block(ipaddress.ip_network(text)) for text in dict.fromkeys(found))


def _sources(policy: Policy) -> Iterator[Source]:
    for rule in policy.rules:
        yield from (one for one in (*rule.sources, *rule.conditions) if isinstance(one, Source))


def _ports(policy: Policy) -> Iterator[int]:
    for rule in policy.rules:
        for one in (*rule.operations, *rule.conditions):
            if isinstance(one, Operation):
                yield from (*one.ports, *one.not_ports)
