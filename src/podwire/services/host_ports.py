"""Host ports: ports of a node's own addresses that forward to a pod of that node. Pure.

Sources: k8s.io/api `core/v1` ContainerPort (`hostPort`, `hostIP`); the CNI plugin `portmap`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.kube.addresses import canonical, parsed
from podwire.kube.backend_choice import Choice, Outcome, TrafficPolicy
from podwire.kube.backends import Backend, PortKey
from podwire.kube.core import ContainerPort, Node, Pod
from podwire.kube.watch import Change
from podwire.services.model import Entry, Frontend, Pool, PoolKey, Protocol, Scope

UNSPECIFIED = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, never bound
"""Values of hostIP that mean every address of the node."""


class PodOwner(msgspec.Struct, frozen=True, order=True):
    """The owner of the rows of one pod's host ports."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"host ports of {self.namespace}/{self.name}"


def entries(pod: Pod, node_addresses: tuple[str, ...]) -> Iterator[Entry]:
    """The frontends of a pod's host ports, each with the pod as its only backend."""
    containers = (*pod.spec.init_containers, *pod.spec.containers)
    ports = [port for container in containers for port in container.ports if port.host_port]
    for port in ports:
        for address in _host_addresses(port, node_addresses):
            frontend = Frontend(address, Protocol[port.protocol], port.host_port or 0)
            backend = _backend(pod, port, frontend.family)
            if backend is not None:
                yield _entry(frontend, port, backend)


def _entry(frontend: Frontend, port: ContainerPort, backend: Backend) -> Entry:
    """The client's address is kept, as by the plugin `portmap`."""
    key = PortKey(f"{port.host_ip} {port.host_port}", port.protocol, frontend.family)
    pool = Pool(PoolKey(key, TrafficPolicy.CLUSTER), Choice((backend,), Outcome.USED))
    return Entry(
        frontend,
        Scope.HOST_PORT,
        inside=pool,
        outside=pool,
        keeps_source=True,
        source_ranges=None,
        affinity_seconds=0,
        serving=(backend,),
        local=(backend.address,),
    )


def _host_addresses(port: ContainerPort, node_addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses that a host port is on: the node's, or loopback.

    Another address in hostIP has no effect: with it a pod would take the node's traffic to a foreign host.
    """
    if port.host_ip in UNSPECIFIED:
        return node_addresses
    address = parsed(port.host_ip)
    if address is None or not (address.is_loopback or str(address) in node_addresses):
        return ()
    return (str(address),)


def _backend(pod: Pod, port: ContainerPort, family: int) -> Backend | None:
    """The pod's address of this family, with the container's port; None while it has none."""
    addresses = (address for address in map(canonical, pod.addresses) if address)
    found = next((address for address in addresses if (":" in address) == (family == 6)), None)
    return Backend(found, port.container_port) if found else None


class HostPortsView:
    """The pods of this node that have host ports, and the node's addresses. No I/O."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._addresses: tuple[str, ...] = ()
        self._pods: dict[PodOwner, Pod] = {}

    def entries(self, owner: PodOwner) -> Iterator[Entry]:
        """The frontends of a pod; none where there is no such pod any more."""
        pod = self._pods.get(owner)
        return entries(pod, self._addresses) if pod is not None else iter(())

    def seniority(self, owner: PodOwner) -> tuple[str, ...]:
        """Order pods that claim one port, the oldest first."""
        pod = self._pods.get(owner)
        return (pod.metadata.creation_timestamp or "", pod.metadata.uid) if pod is not None else ("", "")

    def pod_changed(self, change: Change[Pod]) -> frozenset[PodOwner]:
        """Apply a change; return the owners that it concerns."""
        pod = change.new or change.old
        if pod is None:
            return frozenset()
        owner = PodOwner(pod.metadata.namespace, pod.metadata.name)
        if change.new is not None and self._has_host_ports(change.new):
            self._pods[owner] = change.new
            return frozenset({owner})
        return frozenset({owner}) if self._pods.pop(owner, None) is not None else frozenset()

    def node_changed(self, change: Change[Node]) -> frozenset[PodOwner]:
        """Apply a change of a node; return all owners where this node's addresses are others now."""
        if change.new is None or change.new.metadata.name != self._node:
            return frozenset()
        addresses = tuple(address for address in map(canonical, change.new.internal_addresses) if address)
        if addresses == self._addresses:
            return frozenset()
        self._addresses = addresses
        return frozenset(self._pods)

    def _has_host_ports(self, pod: Pod) -> bool:
        if pod.spec.node_name != self._node or pod.spec.host_network or pod.finished:
            return False
        containers = (*pod.spec.init_containers, *pod.spec.containers)
        return any(port.host_port for container in containers for port in container.ports)
