"""The smallest ClusterNetworkPolicy that would allow a connection which another one denies. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.insight.connection.changes import Blocked, Object, name_of, selector_of, yaml_of
from podwire.insight.connection.points import Point
from podwire.insight.connection.report import Change, TierLine, TierWord
from podwire.insight.connection.sides import Context
from podwire.insight.snapshot.written import NAME_LABEL
from podwire.kube.network_policy_api import API_VERSION
from podwire.policy.model import Direction


def tier_changes(denied: Iterable[tuple[Blocked, TierLine]], context: Context) -> Iterator[Change]:
    """Yield a policy of the same tier with a smaller priority, which is looked at first; none where there is none."""
    seen: set[str] = set()
    for blocked, line in denied:
        subject, other = blocked.way.end(blocked.direction)
        peers = _peers(other, blocked.direction, context)
        if line.word is not TierWord.DENIES or not peers or (line.tier == "Admin" and line.priority == 0):
            continue
        text = yaml_of(_policy(blocked, line, peers, context))
        if text not in seen:
            seen.add(text)
            what = f"{blocked.direction.value} of {subject.name} with {other.name}"
            yield Change(f"a ClusterNetworkPolicy before {line.policy} that accepts {what}", text)


def _policy(blocked: Blocked, line: TierLine, peers: list[Object], context: Context) -> Object:
    subject, other = blocked.way.end(blocked.direction)
    side, way = blocked.direction, blocked.way
    section = "from" if side is Direction.INGRESS else "to"
    protocols = [{way.protocol.lower(): {"destinationPort": {"number": way.port}}}]
    rule = {"name": "accept", "action": "Accept", section: peers, "protocols": protocols}
    tier = "Baseline" if line.tier == "default" else line.tier
    return {
        "apiVersion": API_VERSION,
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name_of(f"{subject.name}-{section}-{other.name}-{way.port}")},
        "spec": {
            "tier": tier,
            "priority": max(line.priority - 1, 0) if tier == line.tier else 1000,
            "subject": _pods(subject, context),
            side.value: [rule],
        },
    }


def _peers(other: Point, direction: Direction, context: Context) -> list[Object]:
    if other.identity is not None:
        return [_pods(other, context)]
    if direction is Direction.INGRESS or not other.blocks:  # ClusterNetworkPolicies have networks for egress only
        return []
    return [{"networks": [str(one) for one in other.blocks]}]


def _pods(point: Point, context: Context) -> Object:
    assert point.workload is not None, "pods have a workload"
    namespaces = {"matchLabels": {NAME_LABEL: point.workload.namespace}}
    return {"pods": {"namespaceSelector": namespaces, "podSelector": selector_of(point.workload, context)}}
