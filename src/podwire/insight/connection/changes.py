"""The smallest change that would allow a connection, as objects to apply. Pure.

It opens nothing else: a rule of an existing policy gets a peer or a port only where the policy selects the same pods
and the rule has no other port or peer; else a new policy is made. Each end that is not admitted gets its own change.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Set
from typing import Any

import msgspec

from podwire.insight.connection.points import Kind, Point
from podwire.insight.connection.report import Change
from podwire.insight.connection.sides import Context, Way
from podwire.insight.snapshot.fewest_labels import fewest_labels
from podwire.insight.snapshot.workload import Owner, Workload
from podwire.insight.snapshot.written import NAME_LABEL, written_annotations
from podwire.kube import yaml_output
from podwire.kube.meta import NamespacedName
from podwire.kube.networking import NetworkPolicy
from podwire.policy.model import Direction, Identity, Policy, Ports, policy

Object = dict[str, Any]
_PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}
_ALL = {4: "0.0.0.0/0", 6: "::/0"}


class Blocked(msgspec.Struct, frozen=True):
    """An end of a connection that no policy admits."""

    way: Way
    direction: Direction


def changes(blocked: Iterable[Blocked], context: Context) -> Iterator[Change]:
    """Yield a change for each end, equal ones once; none for an end whose address is not known."""
    taken = set(context.written)
    seen: set[tuple[Direction, str, str, str, int]] = set()
    for one in blocked:
        subject, other = one.way.end(one.direction)
        key = (one.direction, subject.name, other.name, one.way.protocol, one.way.port)
        peers = _peers(other, subject, context)
        if key in seen or not peers:
            continue
        seen.add(key)
        found = _added(one, subject, other, context) or _made(one, subject, other, peers, context, taken)
        yield found


def _added(blocked: Blocked, subject: Point, other: Point, context: Context) -> Change | None:
    """Return a policy with one more peer or port in a rule; None where each would open more than the connection."""
    assert subject.workload is not None, "only pods are selected"
    port = Ports(blocked.way.protocol, blocked.way.port, blocked.way.port)
    side = blocked.direction
    for written in context.written.values():
        found = policy(written)
        rules = found.rules(side) if found.key.namespace == subject.workload.namespace else None
        if not rules or _selected(found, context) != {subject.workload.owner}:
            continue
        for index, rule in enumerate(rules):
            if rule.ports == (port,) and rule.peers:
                (peer, *_) = _peers(other, subject, context)
                return _changed(written, side, index, _PEERS[side], peer, context)
    return None


def _selected(found: Policy, context: Context) -> Set[Owner]:
    """Return the owners of the pods that a policy selects."""
    own = (one for one in context.snapshot.workloads if one.namespace == found.key.namespace)
    return {one.owner for one in own if not one.spec.host_network and _selects(found, one)}


def _selects(found: Policy, one: Workload) -> bool:
    return found.selects(Identity(one.namespace, tuple(sorted(one.labels.items()))))


def _changed(
    written: NetworkPolicy, side: Direction, index: int, list_: str, entry: Object, context: Context
) -> Change:
    key = written.key
    value = _object(written, context)
    rule = value["spec"][side.value][index]
    rule[list_] = [*(rule.get(list_) or ()), entry]
    place = context.snapshot.place("NetworkPolicy", key, "spec", side.value, index, list_)
    return Change(
        f"one more entry in spec.{side.value}[{index}].{list_} of NetworkPolicy {key} ({place})", yaml_of(value)
    )


def _object(written: NetworkPolicy, context: Context) -> Object:
    """Return a policy as it is written, or as it was read, without what a server adds."""
    manifest = context.snapshot.manifests.get(("NetworkPolicy", written.key))
    given: Any = manifest.value if manifest is not None else msgspec.to_builtins(written)
    copied = without_status(given)
    copied["metadata"]["namespace"] = written.key.namespace
    spec = {"podSelector": {}, **copied["spec"]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", **copied, "spec": spec}


def without_status(given: Any) -> Object:
    """Return a copy of an object with what users write of its metadata and spec."""
    copied: Object = msgspec.json.decode(msgspec.json.encode(given))
    metadata = copied.get("metadata") or {}
    metadata = {**metadata, "annotations": written_annotations(metadata)}
    kept = {one: metadata[one] for one in ("name", "namespace", "labels", "annotations") if metadata.get(one)}
    return {"metadata": kept, "spec": copied.get("spec") or {}}


def _made(
    blocked: Blocked, subject: Point, other: Point, peers: list[Object], context: Context, taken: set[NamespacedName]
) -> Change:
    assert subject.workload is not None, "only pods are selected"
    side, way = blocked.direction, blocked.way
    middle = "from" if side is Direction.INGRESS else "to"
    namespace = subject.workload.namespace
    key = _free(NamespacedName(namespace, name_of(f"{subject.workload.name}-{middle}-{_short(other)}")), taken)
    value: Object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": key.name, "namespace": namespace},
        "spec": {
            "podSelector": selector_of(subject.workload, context),
            "policyTypes": [side.value.capitalize()],
            side.value: [{_PEERS[side]: peers, "ports": [{"protocol": way.protocol, "port": way.port}]}],
        },
    }
    text = f"a policy that admits {side.value} of {subject.name} {middle} {other.name} on {way.port}/{way.protocol}"
    return Change(f"{text}{_shared(subject.workload, context)}", yaml_of(value))


def _peers(other: Point, subject: Point, context: Context) -> list[Object]:
    """Return the entries of `from` or `to` that mean the other end; none where its address is not known."""
    if other.identity is not None and other.workload is not None:
        peer: Object = {"podSelector": selector_of(other.workload, context)}
        if subject.identity is None or other.identity.namespace != subject.identity.namespace:
            name = {"matchLabels": {NAME_LABEL: other.identity.namespace}}
            peer = {"namespaceSelector": name, **peer}
        return [peer]
    if other.kind is Kind.OUTSIDE:
        block: Object = {"cidr": _ALL[other.family]}
        pods = [str(one) for one in context.snapshot.pod_ranges.networks if one.version == other.family]
        return [{"ipBlock": {**block, "except": pods} if pods else block}]
    return [{"ipBlock": {"cidr": str(one)}} for one in other.blocks]


def selector_of(workload: Workload, context: Context) -> Object:
    """Return the smallest selector of the workload's pods."""
    labels = labels_of(workload, context.snapshot.workloads)
    return {"matchLabels": labels} if labels else {}


def labels_of(workload: Workload, all_: Iterable[Workload]) -> dict[str, str]:
    """Return the fewest labels that select no other workload of the namespace; all where there are no such ones."""
    others = (one for one in all_ if one.namespace == workload.namespace and one.owner != workload.owner)
    return fewest_labels(workload.labels, [one.labels for one in others])


def _shared(workload: Workload, context: Context) -> str:
    """Return a warning where labels cannot tell the pods from others."""
    labels = labels_of(workload, context.snapshot.workloads)
    same = sorted(
        str(one.owner)
        for one in context.snapshot.workloads
        if one.namespace == workload.namespace and one.owner != workload.owner
        and labels.items() <= one.labels.items()
    )  # fmt: skip
    return f"; its labels select {', '.join(same)} too: give {workload.owner} a label of its own" if same else ""


def _short(point: Point) -> str:
    return point.workload.name if point.workload is not None else point.name


def name_of(text: str) -> str:
    """Return a text as the name of an object."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")


def _free(key: NamespacedName, taken: set[NamespacedName]) -> NamespacedName:
    """Return the name, with a number where it is taken."""
    found = key
    for number in itertools.count(2):
        if found not in taken:
            break
        found = NamespacedName(key.namespace, f"{key.name}-{number}")
    taken.add(found)
    return found


def yaml_of(value: Object) -> str:
    """Return an object as it is applied."""
    return yaml_output.block(value)
