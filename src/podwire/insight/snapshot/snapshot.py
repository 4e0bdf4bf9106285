"""All objects that an answer is made from, in one form, whether they are written or live."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from podwire.insight.snapshot.mesh_objects import MeshObjects
from podwire.insight.snapshot.pod_ranges import PodRanges
from podwire.insight.snapshot.workload import Workload
from podwire.insight.sources.manifests import Manifest, Path
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.egress_gateway import EgressGateway
from podwire.kube.meta import NamespacedName
from podwire.kube.network_policy_api import ClusterNetworkPolicy
from podwire.kube.networking import NetworkPolicy
from podwire.kube.services import Service

Name = tuple[str, NamespacedName]
"""Kind and key of an object."""


class UnknownKind(msgspec.Struct, frozen=True):
    """Objects of a kind that no answer reads: of custom resources, mostly.

    Attributes:
        place: that of the first.
        with_pods: those that have a template of pods.

    """

    kind: str
    count: int
    place: str
    with_pods: tuple[NamespacedName, ...] = ()

    @property
    def text(self) -> str:
        """What a list of them has."""
        return f"not read: {self.count} of {self.kind} ({self.place})"


class Topic(enum.StrEnum):
    """What a note is about."""

    DUPLICATE = "Duplicate"
    NAMESPACE_NOT_WRITTEN = "NamespaceNotWritten"
    UNKNOWN_POLICY_KIND = "UnknownPolicyKind"
    UNKNOWN_WORKLOAD_KIND = "UnknownWorkloadKind"
    POD_RANGES_ASSUMED = "PodRangesAssumed"
    UNKNOWN_FIELD = "UnknownField"


WARNED = frozenset((Topic.UNKNOWN_FIELD, Topic.UNKNOWN_WORKLOAD_KIND))
"""Topics that may change any answer."""


class Note(msgspec.Struct, frozen=True):
    """Something about the objects that a reader of any answer should know."""

    topic: Topic
    text: str


class UnknownField(msgspec.Struct, frozen=True):
    """A field or kind of a written object that the API does not have. `place` is FILE:LINE, `object` kind and name."""

    place: str
    object: str
    message: str
    remedy: str

    @property
    def text(self) -> str:
        """All of it on one line."""
        return f"{self.place}: {self.object}: {self.message}; {self.remedy}"


class Snapshot(msgspec.Struct, frozen=True):
    """The objects of a cluster, or those that files would make of an empty one.

    Attributes:
        namespaces: the labels of each; of those that are used and not written, the name alone.
        applied_labels: of a live namespace the keys that `kubectl apply` gave it.
        slices: written or live ones; `endpoints.py` makes those that Services would get.
        others: objects that only requests for URLs read (Ingress, Gateway API, Secret, ConfigMap), as they are written.
        pod_ranges: where pods without an address will be.
        is_planned: whether the objects are written, not live.
        unreadable: kinds that this account may not list.
        default_deny: whether agents deny what nothing admits (`--default-deny`); known of a world.
        manifests: where each object is written.
        mesh: policies of the mesh.
        unknown_fields: fields and kinds of written objects that the API does not have.
        serves_nginx: whether Ingresses of ingress-nginx's class, and those without a class, are podwire's: in a world.

    """

    namespaces: Mapping[str, Mapping[str, str]] = {}
    workloads: tuple[Workload, ...] = ()
    policies: tuple[NetworkPolicy, ...] = ()
    services: tuple[Service, ...] = ()
    slices: tuple[EndpointSlice, ...] = ()
    nodes: tuple[Node, ...] = ()
    others: tuple[Manifest, ...] = ()
    unknown: tuple[UnknownKind, ...] = ()
    notes: tuple[Note, ...] = ()
    pod_ranges: PodRanges = PodRanges()
    is_planned: bool = True
    unreadable: tuple[str, ...] = ()
    manifests: Mapping[Name, Manifest] = {}
    cluster_policies: tuple[ClusterNetworkPolicy, ...] = ()
    egress_gateways: tuple[EgressGateway, ...] = ()
    default_deny: bool = False
    serves_nginx: bool = True
    unknown_fields: tuple[UnknownField, ...] = ()
    mesh: MeshObjects = MeshObjects()
    applied_labels: Mapping[str, frozenset[str]] = {}

    def place(self, kind: str, key: NamespacedName, *path: str | int) -> str:
        """Return where a field is: `10-policies.yaml:42`, for live objects `NetworkPolicy shop/web spec.ingress[0]`."""
        found = self.manifests.get((kind, key))
        if found is not None:
            return found.field(path)
        return f"{kind} {key} {field(path)}".rstrip()

    def service(self, key: NamespacedName) -> Service | None:
        """Return the Service of this name."""
        return next((one for one in self.services if one.key == key), None)


def field(path: Path) -> str:
    """Return a path as users write it: `spec.ingress[0].from`."""
    parts = (f"[{one}]" if isinstance(one, int) else f".{one}" for one in path)
    return "".join(parts).removeprefix(".")
