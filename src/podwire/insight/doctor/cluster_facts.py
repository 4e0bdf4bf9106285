"""What is read of a cluster from its API server, beside the facts of each node."""

from __future__ import annotations

import msgspec

from podwire.insight.doctor.gateway_facts import GatewayFacts
from podwire.insight.doctor.mesh_facts import MeshFacts
from podwire.insight.doctor.node_facts import ApiFact, Expiry, NodeFacts
from podwire.insight.operations.programs import ProgramPod
from podwire.kube.apps import DaemonSet
from podwire.kube.core import Node


class ClusterFacts(msgspec.Struct, frozen=True):
    """A cluster, or a world.

    Attributes:
        time: seconds since 1970 on this machine.
        nodes: all Nodes.
        facts: what was gathered on nodes.
        unreached: why nothing was gathered on a node, by its name.
        pods: podwire's pods.
        daemon_sets: all of the cluster.
        pod_ranges: the agents' `--pod-cidrs`; empty where they are not known.
        service_ranges: all ranges of Services.
        dns: addresses of the Service kube-dns; None where there is no such Service.
        role: the agents' ClusterRole.
        agents_are_pods: false in a world, whose agents are processes.
        api: the API server as this machine reaches it.
        expiries: of this user's credentials.
        gateways: what was read of the Gateway API; None where it was not.
        mesh: what was read of the mesh; None where there is none.

    """

    time: float
    nodes: tuple[Node, ...] = ()
    facts: tuple[NodeFacts, ...] = ()
    unreached: dict[str, str] = {}
    pods: tuple[ProgramPod, ...] = ()
    daemon_sets: tuple[DaemonSet, ...] = ()
    pod_ranges: tuple[str, ...] = ()
    service_ranges: tuple[str, ...] = ()
    dns: tuple[str, ...] | None = ()
    role: str = "podwire:agent"
    agents_are_pods: bool = True
    api: ApiFact | None = None
    expiries: tuple[Expiry, ...] = ()
    gateways: GatewayFacts | None = None
    mesh: MeshFacts | None = None
