"""The ends of a connection as the mesh sees them: enrolled or not, with which identity. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.services import Service
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.identity.spiffe import DEFAULT_TRUST_DOMAIN, Spiffe
from podwire.mesh.model.workload import Workload, workload
from podwire.redirection.enrolment import enrolled


class Mesh(msgspec.Struct, frozen=True):
    """The policies, and where they are written.

    Attributes:
        place: returns where a field of an object is: its kind, key and path.
        is_planned: whether the objects are written; nodes are taken to redirect all enrolled pods then.
        unreadable: what this account may not read of them.
        trust_domain: that of all identities.

    """

    authorization: Authorization
    transport: Transport
    place: Callable[[str, NamespacedName, tuple[str | int, ...]], str]
    is_planned: bool = True
    unreadable: tuple[str, ...] = ()
    trust_domain: str = DEFAULT_TRUST_DOMAIN

    def identity(self, one: Workload) -> str:
        """Return the SPIFFE id of a pod."""
        return str(Spiffe(self.trust_domain, one.namespace, one.service_account))

    def carries(self, one: Workload | None) -> bool:
        """Whether the node of a pod leads its connections to Envoy."""
        return one is not None and one.enrolled and (self.is_planned or one.redirected)


class Client(msgspec.Struct, frozen=True):
    """Who connects.

    Attributes:
        workload: None for nodes and for clients outside.
        addresses: each that it may have.
        may_be_own: whether it may be the node of the server, whose probes no policy concerns.

    """

    workload: Workload | None
    addresses: tuple[str, ...]
    may_be_own: bool = False


def identities(client: Client, server: Workload, mesh: Mesh) -> tuple[str, ...]:
    """Return the identities that the server's node may know the client by; an empty text for none.

    A pod that is not enrolled is known on its own node, by its address.
    """
    one = client.workload
    if one is None:
        return ("",)
    if mesh.carries(one):
        return (mesh.identity(one),)
    found = is_same_node(one, server)
    return (mesh.identity(one), "") if found is None else (mesh.identity(one) if found else "",)


def is_same_node(one: Workload, other: Workload) -> bool | None:
    """Whether two pods are on one node; None where that is not known."""
    return one.node == other.node if one.node and other.node else None


def enrolled_selectors(services: Iterable[Service]) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return the selectors of Services that are enrolled by labels of their own, by namespace."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for one in services:
        if enrolled(one.metadata.labels):
            found.setdefault(one.metadata.namespace, []).append(one.spec.selector)
    return found


def workloads(namespaces: Iterable[Object], pods: Iterable[Pod], services: Iterable[Service]) -> Iterator[Workload]:
    """Yield the pods with addresses of their own; Services with a label of the mesh enrol those that they select."""
    labels = {one.metadata.name: one.metadata.labels for one in namespaces}
    selectors = enrolled_selectors(services)
    for pod in pods:
        space = pod.metadata.namespace
        found = workload(pod, labels.get(space), selectors.get(space, ()))
        if found is not None:
            yield found
