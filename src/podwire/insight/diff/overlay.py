"""Written objects as they would be in a live cluster once they are applied. Pure.

One rule for all kinds: a written object takes the place of the live one of the same kind, namespace and name, and every
other live object stays, as with `kubectl apply`. With pruning, objects of the namespaces that are written to and that
are not written are gone too; objects without a namespace never are. Labels that others gave a namespace stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec

from podwire.insight.snapshot.mesh_objects import MeshObjects
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.insight.sources.manifests import Manifest
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName, Object

ObjectT = TypeVar("ObjectT", bound=Object)
ValueT = TypeVar("ValueT")


def applied(written: Snapshot, live: Snapshot, *, prune: bool = False) -> Snapshot:
    """Return the cluster with these objects."""
    spaces = _namespaces(written) if prune else frozenset()
    workloads = _joined_by(written.workloads, live.workloads, lambda one: (one.owner.kind, one.owner.key), spaces)
    return msgspec.structs.replace(
        live,
        namespaces={**written.namespaces, **live.namespaces, **_labelled(written, live)},
        workloads=workloads,
        policies=_joined(written.policies, live.policies, spaces),
        services=_joined(written.services, live.services, spaces),
        slices=_joined(written.slices, _kept_slices(live, written, workloads), spaces),
        nodes=_joined(written.nodes, live.nodes),
        others=_joined_by(written.others, live.others, _name_of, spaces),
        notes=written.notes,
        unknown=written.unknown,
        cluster_policies=_joined(written.cluster_policies, live.cluster_policies),
        egress_gateways=_joined(written.egress_gateways, live.egress_gateways),
        mesh=_mesh(written.mesh, live.mesh, spaces),
        is_planned=True,
        manifests=written.manifests,
        unknown_fields=written.unknown_fields,
    )


def _mesh(written: MeshObjects, live: MeshObjects, pruned: frozenset[str]) -> MeshObjects:
    return msgspec.structs.replace(
        live,
        authorizations=_joined(written.authorizations, live.authorizations, pruned),
        authentications=_joined(written.authentications, live.authentications, pruned),
        transports=_joined(written.transports, live.transports, pruned),
    )


def _kept_slices(live: Snapshot, written: Snapshot, workloads: tuple[Workload, ...]) -> Iterator[EndpointSlice]:
    """Yield the slices that stay as they are; the others follow from the selector of a Service and the new pods."""
    services = {one.key: one for one in (*live.services, *written.services)}
    new = {one.key for one in written.services}
    gone = {pod for one in live.workloads for place in one.pods for pod in place.addresses}
    gone -= {pod for one in workloads for place in one.pods for pod in place.addresses}
    for one in live.slices:
        service = services.get(one.service)
        own = (service.spec.selector if service is not None else {}).items()
        is_selected = any(
            own <= pod.labels.items() for pod in written.workloads if pod.namespace == one.service.namespace
        )
        addresses = {address for endpoint in one.endpoints for address in endpoint.addresses}
        if not own or not (one.service in new or is_selected or addresses & gone):
            yield one


def _joined(
    written: Iterable[ObjectT], live: Iterable[ObjectT], pruned: frozenset[str] = frozenset()
) -> tuple[ObjectT, ...]:
    return _joined_by(written, live, lambda one: ("", one.key), pruned)


def _joined_by(
    written: Iterable[ValueT],
    live: Iterable[ValueT],
    name: Callable[[ValueT], tuple[str, NamespacedName]],
    pruned: frozenset[str],
) -> tuple[ValueT, ...]:
    """Return what is written, and what is live under another name in a namespace that is not pruned."""
    found = tuple(written)
    names = set(map(name, found))
    return (*found, *(one for one in live if name(one) not in names and name(one)[1].namespace not in pruned))


def _name_of(one: Manifest) -> tuple[str, NamespacedName]:
    metadata = one.value["metadata"]
    return ".".join(one.kind), NamespacedName(metadata.get("namespace", ""), metadata["name"])


def _namespaces(written: Snapshot) -> frozenset[str]:
    """Return the namespaces that objects are written to."""
    return frozenset(
        (
            *(one.namespace for one in written.workloads),
            *(one.metadata.namespace for one in (*written.policies, *written.services, *written.slices)),
            *(one.metadata.namespace for one in written.mesh.all),
            *(one.value["metadata"].get("namespace", "") for one in written.others),
        )
    ) - {""}


def _labelled(written: Snapshot, live: Snapshot) -> dict[str, dict[str, str]]:
    """Return the labels of the namespaces that are written themselves: others gave them labels, too, which stay."""
    keys = {key.name for kind, key in written.manifests if kind == "Namespace"}
    return {name: {**_of_others(name, live), **written.namespaces[name]} for name in keys}


def _of_others(name: str, live: Snapshot) -> dict[str, str]:
    applied = live.applied_labels.get(name, frozenset())
    return {key: value for key, value in live.namespaces.get(name, {}).items() if key not in applied}
