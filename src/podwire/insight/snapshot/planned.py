"""The objects of files as a cluster would have them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from podwire.insight.snapshot import mesh_objects, pod_ranges
from podwire.insight.snapshot.mesh_objects import MeshObjects
from podwire.insight.snapshot.snapshot import Name, Note, Snapshot, Topic, UnknownField, UnknownKind
from podwire.insight.snapshot.templates import TEMPLATES, has_template, of_pods, of_template
from podwire.insight.snapshot.unknown_fields import unknown_fields
from podwire.insight.snapshot.workload import Owner, Workload
from podwire.insight.snapshot.written import NAME_LABEL, completed, decoded, key_of
from podwire.insight.sources.manifests import Manifest
from podwire.kube import egress_gateway, network_policy_api
from podwire.kube.core import Namespace, Node, Pod
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import LabelSelector, NamespacedName
from podwire.kube.network_policy_api import ClusterNetworkPolicy
from podwire.kube.networking import NetworkPolicy
from podwire.kube.selectors import label_keys
from podwire.kube.services import Service
from podwire.policy.model import IPNetwork
from podwire.policy.tier_reading import cluster_policy

_TYPES: Mapping[tuple[str, str], type[Any]] = {
    ("", "Namespace"): Namespace,
    ("", "Node"): Node,
    ("", "Pod"): Pod,
    ("", "Service"): Service,
    ("discovery.k8s.io", "EndpointSlice"): EndpointSlice,
    ("networking.k8s.io", "NetworkPolicy"): NetworkPolicy,
    (network_policy_api.GROUP, "ClusterNetworkPolicy"): network_policy_api.ClusterNetworkPolicy,
    (egress_gateway.GROUP, "EgressGateway"): egress_gateway.EgressGateway,
    **{(one.api_version.partition("/")[0], one.kind): one.type for one in mesh_objects.KINDS},
}
_OTHERS = frozenset((("networking.k8s.io", "Ingress"), ("", "Secret"), ("", "ConfigMap")))
_GATEWAY_GROUPS = frozenset(("gateway.networking.k8s.io", "gateway.networking.x-k8s.io"))
_ALWAYS = ("default", "kube-system")
"""Namespaces that every cluster has."""
_FOREIGN_POLICIES = frozenset(
    (
        "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "GlobalNetworkPolicy", "NetworkPolicy",
        "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "AuthorizationPolicy", "PeerAuthentication",
    )
)  # fmt: skip
"""Kinds of other programs that may forbid connections."""
MOST_NAMED = 6
"""Objects of one kind in a note."""
MOST_NOTED = 20
"""Unknown fields that every answer shows."""
Written = list[tuple[Manifest, dict[str, Any]]]


def snapshot_of(
    manifests: Iterable[Manifest], namespace: str = "default", ranges: tuple[IPNetwork, ...] = ()
) -> Snapshot:
    """Return the objects; those without a namespace are in `namespace`. Raises ManifestError.

    Of an object that is written twice the later one counts, as `kubectl apply` would have it.
    """
    written, twice = _last_ones([(one, completed(one, namespace)) for one in manifests])
    values: dict[type[Any], list[Any]] = {type_: [] for type_ in _TYPES.values()}
    for one, value in written:
        if one.kind in _TYPES:
            values[_TYPES[one.kind]].append(decoded(value, _TYPES[one.kind], one))
    nodes = tuple(values[Node])
    policies, services = tuple(values[NetworkPolicy]), tuple(values[Service])
    tiers = tuple(values[network_policy_api.ClusterNetworkPolicy])
    mesh = mesh_objects.of_listed((tuple(values[one.type]) for one in mesh_objects.KINDS), ())
    read = read_keys(policies, services, tiers, mesh)
    workloads = tuple(_workloads(written, values[Pod], nodes, read))
    labels = {one.metadata.name: one.metadata.labels for one in values[Namespace]}
    used = {value["metadata"].get("namespace") for _, value in written} - {None, *labels}
    where = pod_ranges.of_nodes(nodes, ranges)
    unknown = tuple(unknown_fields(one for one, _ in written))
    kinds = tuple(_unknown(written))
    return Snapshot(
        {**{name: {NAME_LABEL: name} for name in (*_ALWAYS, *sorted(used))}, **labels},
        workloads,
        policies,
        services,
        tuple(values[EndpointSlice]),
        nodes,
        tuple(
            Manifest(value, one.document, one.within)
            for one, value in written
            if one.kind in _OTHERS or one.kind[0] in _GATEWAY_GROUPS
        ),
        kinds,
        (*twice, *_of_unknown(unknown), *_of_workloads(kinds), *_notes(written, policies, sorted(used - set(_ALWAYS)))),
        where,
        manifests={(one.kind[1], key_of(value)): one for one, value in written if _is_named(one)},
        cluster_policies=tiers,
        egress_gateways=tuple(values[egress_gateway.EgressGateway]),
        mesh=mesh,
        unknown_fields=unknown,
    )


def _is_named(one: Manifest) -> bool:
    """Whether answers cite objects of the kind."""
    return one.kind in _TYPES or one.kind in TEMPLATES or one.kind in _OTHERS or one.kind[0] in _GATEWAY_GROUPS


def read_keys(
    policies: Iterable[NetworkPolicy],
    services: Iterable[Service],
    tiers: Iterable[ClusterNetworkPolicy],
    mesh: MeshObjects,
) -> frozenset[str]:
    """Return the keys of pods' labels that some selector reads."""
    found = {key for one in services for key in one.spec.selector} | mesh.label_keys
    for selector in _pod_selectors(policies):
        found |= label_keys(selector)
    for one in tiers:
        found |= cluster_policy(one).label_keys
    return frozenset(found)


def keys_of(snapshot: Snapshot) -> frozenset[str]:
    """Return the same of all objects."""
    return read_keys(snapshot.policies, snapshot.services, snapshot.cluster_policies, snapshot.mesh)


def _pod_selectors(policies: Iterable[NetworkPolicy]) -> Iterator[LabelSelector]:
    for policy in policies:
        yield policy.spec.pod_selector
        peers = (
            *(peer for rule in policy.spec.ingress for peer in rule.from_),
            *(peer for rule in policy.spec.egress or () for peer in rule.to),
        )
        yield from (peer.pod_selector for peer in peers if peer.pod_selector is not None)


def _last_ones(written: Written) -> tuple[Written, list[Note]]:
    """Return each object once, and notes of those that are written more often."""
    found: dict[tuple[tuple[str, str], Name], tuple[Manifest, dict[str, Any]]] = {}
    notes = []
    for one, value in written:
        name = (one.kind, (one.kind[1], key_of(value)))
        if name in found and found[name][0].place != one.place:  # a file may be named twice
            places = f"{found[name][0].place}, {one.place}"
            text = f"{one.kind[1]} {key_of(value)} is written more than once ({places}): the last one counts"
            notes.append(Note(Topic.DUPLICATE, text))
        found.pop(name, None)
        found[name] = one, value
    return list(found.values()), notes


def _workloads(
    written: Written, pods: Iterable[Pod], nodes: tuple[Node, ...], read: frozenset[str]
) -> Iterator[Workload]:
    """Yield written pods, then those of templates: not of objects that others own, nor where the pods are written."""
    there = tuple(of_pods(pods, read))
    owners = {one.owner for one in there}
    yield from there
    for one, value in written:
        if one.kind in TEMPLATES and Owner(one.kind[1], key_of(value)) not in owners and not _is_owned(value):
            yield from of_template(one, value, nodes, read)


def _is_owned(value: Mapping[str, Any]) -> bool:
    return any(one.get("controller") for one in value["metadata"].get("ownerReferences") or ())


def _unknown(written: Written) -> Iterator[UnknownKind]:
    """Kinds of groups that are not Kubernetes' own, but for those that are read."""
    counts: Counter[str] = Counter()
    places: dict[str, str] = {}
    with_pods: dict[str, list[NamespacedName]] = {}
    for one, value in written:
        group, kind = one.kind
        if "." in group and not group.endswith(".k8s.io") and one.kind not in _TYPES:
            name = f"{kind}.{group}"
            counts[name] += 1
            places.setdefault(name, one.place)
            if has_template(value):
                with_pods.setdefault(name, []).append(key_of(value))
    for name, count in sorted(counts.items()):
        yield UnknownKind(name, count, places[name], tuple(with_pods.get(name, ())))


def _of_workloads(unknown: Iterable[UnknownKind]) -> Iterator[Note]:
    for one in unknown:
        if one.with_pods:
            shown = ", ".join(map(str, one.with_pods[:MOST_NAMED]))
            more = f" and {len(one.with_pods) - MOST_NAMED} more" if len(one.with_pods) > MOST_NAMED else ""
            text = f"not read: {one.kind} {shown}{more} ({one.place}), which have pods: answers are without them"
            yield Note(Topic.UNKNOWN_WORKLOAD_KIND, f"{text}; write each as a Deployment with the same template too")


def _of_unknown(unknown: tuple[UnknownField, ...]) -> Iterator[Note]:
    yield from (Note(Topic.UNKNOWN_FIELD, one.text) for one in unknown[:MOST_NOTED])
    if len(unknown) > MOST_NOTED:
        text = f"{len(unknown) - MOST_NOTED} more fields that the API does not have: `podwire lint` lists all"
        yield Note(Topic.UNKNOWN_FIELD, text)


def _notes(written: Written, policies: Iterable[NetworkPolicy], missing: list[str]) -> Iterator[Note]:
    foreign = (one for one, _ in written if one.kind[1] in _FOREIGN_POLICIES and one.kind not in _TYPES)
    for one in foreign:
        text = f"{one.kind[1]} of {one.kind[0]} ({one.place}) is not read: it may forbid what is allowed here"
        yield Note(Topic.UNKNOWN_POLICY_KIND, text)
    keys = {key for one in policies for key in _namespace_keys(one)} - {NAME_LABEL}
    if keys and missing:
        text = f"not written, and taken to have no labels: namespaces {', '.join(missing)}"
        yield Note(Topic.NAMESPACE_NOT_WRITTEN, f"{text}; policies read {', '.join(sorted(keys))}")


def _namespace_keys(policy: NetworkPolicy) -> frozenset[str]:
    rules = (*(rule.from_ for rule in policy.spec.ingress), *(rule.to for rule in policy.spec.egress or ()))
    selectors = (peer.namespace_selector for peers in rules for peer in peers)
    return frozenset().union(*(label_keys(one) for one in selectors if one is not None))
