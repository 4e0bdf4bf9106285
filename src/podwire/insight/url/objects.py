"""The objects that the explanation of a URL is made from."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.kinds import Ingress, IngressClass
from podwire.insight.snapshot.mesh_objects import MeshObjects
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.core import Node, Pod
from podwire.kube.network_policy_api import ClusterNetworkPolicy
from podwire.kube.networking import NetworkPolicy


class UrlObjects(msgspec.Struct, frozen=True):
    """All objects that have to do with requests.

    Attributes:
        edge: what Gateways are made from, Services and EndpointSlices.
        pods, nodes, policies, ingresses: all of them.
        outside: addresses that clients outside of the cluster have, as far as they are known.
        places: where an object is written, such as `web.yaml:12`; empty for objects of an API server.
        is_planned: whether the objects come from files: addresses are not assigned yet, and pods that workloads will
            have are made up, with addresses of 198.18.0.0/15 (RFC 2544).
        cluster_policies, default_deny: what decides beside NetworkPolicies.
        mesh: policies of the mesh.
        snapshot: what the objects are made from, where they are written.
        unreadable: what this account may not list.
        ingress_classes: all of them.
        serves_nginx: whether podwire serves Ingresses of ingress-nginx's class, and those without a class, too.

    """

    edge: Objects
    pods: tuple[Pod, ...] = ()
    nodes: tuple[Node, ...] = ()
    policies: tuple[NetworkPolicy, ...] = ()
    outside: tuple[str, ...] = ()
    places: Mapping[Owner, str] = {}
    is_planned: bool = False
    unreadable: tuple[str, ...] = ()
    ingresses: tuple[Ingress, ...] = ()
    ingress_classes: tuple[IngressClass, ...] = ()
    serves_nginx: bool = False
    snapshot: Snapshot | None = None
    cluster_policies: tuple[ClusterNetworkPolicy, ...] = ()
    default_deny: bool = False
    mesh: MeshObjects = MeshObjects()

    def place(self, one: Owner) -> str:
        """Return where the object is written, in brackets after a space; empty where that is not known."""
        found = self.places.get(one)
        return f" ({found})" if found else ""
