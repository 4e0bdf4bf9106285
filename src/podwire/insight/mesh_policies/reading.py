"""The policies and pods of a snapshot as the mesh sees them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podwire.insight.mesh_policies.ends import Mesh
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload as Pods
from podwire.kube.addresses import IPAddress
from podwire.mesh.model.workload import DEFAULT_SERVICE_ACCOUNT, Workload
from podwire.redirection import enrolment


def mesh_of(snapshot: Snapshot) -> Mesh:
    """Return the policies of the mesh with their places."""
    return Mesh(
        snapshot.mesh.authorization(snapshot.services),
        snapshot.mesh.transport,
        lambda kind, key, path: snapshot.place(kind, key, *path),
        snapshot.is_planned,
        snapshot.mesh.unreadable,
        snapshot.mesh.trust_domain,
    )


def workload_of(
    found: Pods,
    namespace: Mapping[str, str],
    selectors: Iterable[Mapping[str, str]],
    addresses: tuple[IPAddress, ...] = (),
    node: str = "",
) -> Workload:
    """Return pods of a workload; `namespace`: the labels of theirs, `selectors`: of its enrolled Services."""
    labels = dict(found.labels)
    return Workload(
        found.owner.key,
        addresses,
        found.spec.service_account_name or DEFAULT_SERVICE_ACCOUNT,
        labels,
        node,
        enrolment.pod_enrolled(labels, namespace, selectors),
        labels.get(enrolment.REDIRECTED) == enrolment.ENABLED,
        {one.name: one.container_port for one in found.ports if one.name},
    )
