"""The objects that differ between two states, by what they mean. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from podwire.insight.diff.report import ObjectChange, ObjectLine
from podwire.insight.snapshot.snapshot import Name, Snapshot
from podwire.insight.snapshot.workload import VOLATILE, Owner
from podwire.insight.snapshot.written import written_annotations
from podwire.kube.meta import NamespacedName
from podwire.policy.model import policy

Meanings = Mapping[Name, object]
_COMPARED = frozenset(
    (
        "AuthorizationPolicy", "ClusterNetworkPolicy", "EgressGateway", "NetworkPolicy", "RequestAuthentication",
        "Service", "TransportPolicy",
    )
)  # fmt: skip
"""Kinds that are written in the same form as they are read from a cluster."""


def differences(old: Snapshot, new: Snapshot) -> tuple[ObjectLine, ...]:
    """Return the objects that exist in one state only, and those that mean something else."""
    before, after = meanings(old), meanings(new)
    if old.is_planned != new.is_planned:
        written = new if new.is_planned else old
        before, after = _comparable(before, written), _comparable(after, written)
    lines = [ObjectLine(change, kind, str(key), _place(old, new, kind, key))
             for (kind, key), change in _changes(before, after)]  # fmt: skip
    return tuple(sorted(lines, key=lambda one: (one.kind, one.name)))


def _changes(before: Meanings, after: Meanings) -> Iterator[tuple[Name, ObjectChange]]:
    for name in {**before, **after}:
        if name not in before:
            yield name, ObjectChange.ADDED
        elif name not in after:
            yield name, ObjectChange.REMOVED
        elif before[name] != after[name]:
            yield name, ObjectChange.CHANGED


def meanings(snapshot: Snapshot) -> Meanings:
    """Return what counts for connections of each object."""
    found: dict[Name, object] = {("NetworkPolicy", one.key): policy(one) for one in snapshot.policies}
    found.update({("ClusterNetworkPolicy", one.key): one.spec for one in snapshot.cluster_policies})
    found.update({("EgressGateway", one.key): one.spec for one in snapshot.egress_gateways})
    found.update({(type(one).__name__, one.key): one.spec for one in snapshot.mesh.all})
    for one in snapshot.services:
        ports = tuple((each.port, each.protocol, each.target_port or each.port) for each in one.spec.ports)
        found["Service", one.key] = (one.spec.type, one.spec.selector, ports, one.spec.external_name)
    for name, labels in snapshot.namespaces.items():
        found["Namespace", NamespacedName("", name)] = dict(labels)
    found.update(((owner.kind, owner.key), pods) for owner, pods in _workloads(snapshot).items())
    for manifest in snapshot.others:
        metadata = manifest.value["metadata"]
        key = NamespacedName(metadata.get("namespace", ""), metadata["name"])
        if manifest.kind[1] not in ("Secret", "ConfigMap"):
            found[manifest.kind[1], key] = (manifest.value.get("spec"), written_annotations(metadata))
    return found


def _workloads(snapshot: Snapshot) -> Mapping[Owner, set[object]]:
    """Return what differs among the pods of each workload, but for the labels of each pod alone, and their number."""
    found: defaultdict[Owner, set[object]] = defaultdict(set)
    for one in snapshot.workloads:
        labels = frozenset((key, value) for key, value in one.labels.items() if key not in VOLATILE)
        found[one.owner].add((labels, one.ports, one.spec.host_network))
    return found


def _comparable(found: Meanings, written: Snapshot) -> Meanings:
    """Leave out workloads and namespaces that a cluster has of its own."""
    return {
        name: meaning
        for name, meaning in found.items()
        if name[0] in _COMPARED or (name[0] == "Namespace" and name in written.manifests)
    }


def _place(old: Snapshot, new: Snapshot, kind: str, key: NamespacedName) -> str:
    known = new.manifests.get((kind, key)) or old.manifests.get((kind, key))
    return known.place if known is not None else ""
