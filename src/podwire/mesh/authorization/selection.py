"""Which policies are for which pods, and which ports of theirs speak HTTP. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from operator import itemgetter
from typing import TypeVar

import msgspec

from podwire.kube.meta import LabelSelector, NamespacedName
from podwire.kube.selectors import matches
from podwire.kube.services import Service, ServicePort
from podwire.mesh.authorization.model import EVERYWHERE, Policy
from podwire.mesh.authorization.tokens import TokenPolicy
from podwire.mesh.model.workload import Workload

P = TypeVar("P", Policy, TokenPolicy)

_HTTP = ("http", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws")
"""Values of appProtocol, and beginnings of a port's name, that mean HTTP (KEP-3726; Istio's names of ports)."""


class Authorization(msgspec.Struct, frozen=True, dict=True):
    """All policies, and the Services by whose ports it is known where pods speak HTTP."""

    policies: tuple[Policy, ...] = ()
    tokens: tuple[TokenPolicy, ...] = ()
    services: tuple[Service, ...] = ()

    def policies_of(self, one: Workload) -> tuple[Policy, ...]:
        """Return the policies for a pod."""
        return tuple(policy for policy in _near(self._policies, one) if selects(policy.key, policy.selector, one))

    def tokens_of(self, one: Workload) -> tuple[TokenPolicy, ...]:
        """Return the policies of tokens for a pod."""
        return tuple(policy for policy in _near(self._tokens, one) if selects(policy.key, policy.selector, one))

    def http_ports(self, one: Workload) -> frozenset[int]:
        """Return the ports of a pod that speak HTTP by a Service."""
        own = (service for service in self._services.get(one.namespace, ()) if _serves(service, one))
        return frozenset(number for service in own for number in _http(service, one))

    @cached_property
    def _policies(self) -> Mapping[str, list[tuple[int, Policy]]]:
        return _by_namespace(self.policies)

    @cached_property
    def _tokens(self) -> Mapping[str, list[tuple[int, TokenPolicy]]]:
        return _by_namespace(self.tokens)

    @cached_property
    def _services(self) -> Mapping[str, list[Service]]:
        found: defaultdict[str, list[Service]] = defaultdict(list)
        for service in self.services:
            found[service.metadata.namespace].append(service)
        return found


def _by_namespace(policies: Iterable[P]) -> Mapping[str, list[tuple[int, P]]]:
    """Return policies with their places in the order, by namespace."""
    found: defaultdict[str, list[tuple[int, P]]] = defaultdict(list)
    for place, policy in enumerate(policies):
        found[policy.key.namespace].append((place, policy))
    return found


def _near(policies: Mapping[str, list[tuple[int, P]]], one: Workload) -> Iterator[P]:
    """Yield the policies of a pod's namespace and of podwire-system, in their order."""
    found = [pair for namespace in {one.namespace, EVERYWHERE} for pair in policies.get(namespace, ())]
    return (policy for _, policy in sorted(found, key=itemgetter(0)))


def selects(key: NamespacedName, selector: LabelSelector, one: Workload) -> bool:
    """Whether a policy is for a pod: of its namespace, or of any where the policy is in podwire-system."""
    return key.namespace in (one.namespace, EVERYWHERE) and matches(selector, one.labels)


def speaks_http(port: ServicePort) -> bool:
    """Whether a port of a Service speaks HTTP, by its appProtocol or its name."""
    if port.app_protocol:
        return port.app_protocol.lower() in _HTTP
    return any(port.name == one or port.name.startswith(f"{one}-") for one in _HTTP)


def _serves(service: Service, one: Workload) -> bool:
    selector = service.spec.selector
    return bool(
        selector
        and service.metadata.namespace == one.namespace
        and all(one.labels.get(key) == value for key, value in selector.items())
    )


def _http(service: Service, one: Workload) -> Iterator[int]:
    for port in service.spec.ports:
        if speaks_http(port):
            target = port.target_port
            number = one.named_ports.get(target) if isinstance(target, str) else target or port.port
            if number:
                yield number


def unread_ports(policies: Iterable[Policy], ports: Iterable[int]) -> tuple[int, ...]:
    """Return the ports that rules about requests name and that are none of these, which speak HTTP."""
    known = frozenset(ports)
    named = {
        port
        for policy in policies
        for rule in policy.rules
        if rule.reads_requests
        for operation in rule.operations
        for port in operation.ports
    }
    return tuple(sorted(named - known))
