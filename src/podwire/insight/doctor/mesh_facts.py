"""What is read of a cluster's mesh: enrolled pods, the mesh's own pods, who leads, and the authority."""

from __future__ import annotations

import msgspec

from podwire.insight.doctor.node_facts import Expiry
from podwire.kube.meta import NamespacedName


class EnrolledPod(msgspec.Struct, frozen=True):
    """A running pod of the mesh. `is_redirected`: its node leads its connections to Envoy, as others know it."""

    key: NamespacedName
    node: str
    is_redirected: bool


class MeshPod(msgspec.Struct, frozen=True):
    """The mesh's pod of a node; `trouble` is why it is not ready, empty where it is."""

    key: NamespacedName
    node: str
    trouble: str = ""


class MeshFacts(msgspec.Struct, frozen=True):
    """All of it, where something is enrolled or the mesh has pods.

    Attributes:
        enrolled: running pods.
        node_pods: the mesh's own.
        leader: holder of the controllers' Lease; empty: none has it, or it has not renewed it; None: not known.
        trusts: whether nodes have a root to verify certificates with.
        authorities: the ends of intermediate and roots.
        authority_problem: why they are not known.

    """

    enrolled: tuple[EnrolledPod, ...] = ()
    node_pods: tuple[MeshPod, ...] = ()
    leader: str | None = ""
    trusts: bool = True
    authorities: tuple[Expiry, ...] = ()
    authority_problem: str = ""
