"""Where packets of each end are sent from and seen: network namespaces of a running world. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from podwire.insight.mesh_policies.ends import Mesh, enrolled_selectors
from podwire.insight.mesh_policies.reading import mesh_of
from podwire.insight.snapshot.policy_view import policy_view
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.addresses import parsed
from podwire.kube.core import Pod
from podwire.kube.watch import Change
from podwire.lab.base import paths
from podwire.lab.network.topology import Topology
from podwire.mesh.model.workload import Workload, workload
from podwire.policy.model import Party
from podwire.policy.view import View

OUTSIDE = "outside"


class Place(msgspec.Struct, frozen=True):
    """One end that packets are sent from: a pod, a node, or the host outside.

    Attributes:
        name: as reports show it.
        network: its network namespace, as a path in the world; on a cluster the pod's name, empty for nodes.
        node: where it is; empty for the host outside.
        is_pod: whether policies know it as a pod; one with hostNetwork is its node to them.

    """

    name: str
    network: str
    addresses: tuple[str, ...]
    node: str = ""
    is_pod: bool = True

    def address(self, version: int) -> str:
        """Return its first address of this version of IP; empty without one."""
        found = (one for one in self.addresses if (address := parsed(one)) and address.version == version)
        return next(found, "")


class Places(msgspec.Struct, frozen=True):
    """All ends of a world, and its policies with the addresses of its pods."""

    pods: Mapping[str, Place]
    nodes: Mapping[str, Place]
    outside: Place
    view: View
    mesh: Mesh | None = None
    workloads: Mapping[str, Workload] = {}
    """Pods by address as the mesh sees them; none where there is no mesh."""

    def party(self, address: str) -> Party:
        """Return what policies see at an address."""
        found = parsed(address)
        assert found is not None, "addresses come from the API server"
        node = next((one.node for one in self.nodes.values() if address in one.addresses), "")
        return Party(found, node=node) if node else self.view.party(found)


def meshed(snapshot: Snapshot, pods: Iterable[Pod]) -> tuple[Mesh | None, Mapping[str, Workload]]:
    """Return the mesh's policies and its view of pods by address; None where nothing is enrolled."""
    found: dict[str, Workload] = {}
    selectors = enrolled_selectors(snapshot.services)
    for pod in pods:
        labels = snapshot.namespaces.get(pod.metadata.namespace, {})
        one = workload(pod, labels, selectors.get(pod.metadata.namespace, ()))
        if one is not None:
            found.update((str(address), one) for address in one.addresses)
    return (mesh_of(snapshot), found) if any(one.enrolled for one in found.values()) else (None, {})


def places(snapshot: Snapshot, pods: Iterable[Pod], nodes: int) -> Places:
    """Return the ends of a world with so many nodes: pods by NAMESPACE/NAME."""
    view = policy_view(snapshot)
    found: dict[str, Place] = {}
    found_pods = tuple(one for one in pods if not one.finished and one.addresses and one.spec.node_name)
    for pod in found_pods:
        view.pod_changed(Change(None, pod))
        found[str(pod.key)] = _of_pod(pod)
    topology = Topology(nodes=nodes)
    named = {
        node.name: Place(
            node.name, str(paths.network(node.name)), (str(node.ipv4.ip), str(node.ipv6.ip)), node.name, False
        )
        for node in topology.all_nodes()
    }
    host = (str(topology.outside4.ip), str(topology.outside6.ip))
    outside = Place(OUTSIDE, str(paths.network(OUTSIDE)), host, is_pod=False)
    return Places(found, named, outside, view, *meshed(snapshot, found_pods))


def _of_pod(pod: Pod) -> Place:
    shares = pod.spec.host_network
    network = paths.network(pod.spec.node_name if shares else f"pods/{pod.metadata.uid}")
    return Place(str(pod.key), str(network), pod.addresses, pod.spec.node_name, not shares)
