"""ClusterNetworkPolicies in explanations agree with the model, and a change lets pass what one denies."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import yaml

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.connection.explain import context_of, line
from podwire.insight.connection.points import of_workload
from podwire.insight.connection.sides import Way, side
from podwire.insight.connection.tier_lines import decided, steps
from podwire.insight.reach.report import report
from podwire.policy.model import Direction
from podwire.policy.verdict import verdict
from tests.insight.connection import random_cluster
from tests.insight.connection.test_differential import Made, read

Object = dict[str, Any]
CLUSTERS = 60
PEERS: tuple[Object, ...] = (
    {"namespaces": {}},
    {"namespaces": {"matchLabels": {"team": "x"}}},
    {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "u"}}}},
)


def tier(chance: random.Random, number: int) -> Object:
    """Return a ClusterNetworkPolicy."""
    spec: Object = {
        "tier": chance.choice(["Admin", "Baseline"]),
        "priority": chance.randint(1, 9),
        "subject": chance.choice(PEERS),
    }
    for section, peers in (("ingress", "from"), ("egress", "to")):
        spec[section] = [_rule(chance, peers) for _ in range(chance.randint(0, 2))]
    metadata = {"name": f"t{number}"}
    version = "policy.networking.k8s.io/v1alpha2"
    return {"apiVersion": version, "kind": "ClusterNetworkPolicy", "metadata": metadata, "spec": spec}


def _rule(chance: random.Random, peers: str) -> Object:
    rule: Object = {"action": chance.choice(["Accept", "Deny", "Pass"]), peers: [chance.choice(PEERS)]}
    if peers == "to" and chance.random() < 0.3:
        rule["to"] = [{"networks": [chance.choice(["10.1.0.0/30", "0.0.0.0/0"])]}]
    if chance.random() < 0.5:
        rule["protocols"] = [{"tcp": {"destinationPort": {"number": chance.choice(random_cluster.PORTS)}}}]
    return rule


def cluster(seed: int) -> tuple[Made, list[Object]]:
    made = Made(seed, with_blocks=True)
    chance = random.Random(seed)
    return made, [*made.objects, *(tier(chance, number) for number in range(3))]


def test_reasons_come_to_the_verdict_of_the_model() -> None:
    decided_by_tiers = 0
    for seed in range(CLUSTERS):
        made, objects = cluster(seed)
        snapshot = read(objects)
        context = context_of(snapshot)
        for _ in range(10):
            first, second = made.chance.sample(snapshot.workloads, 2)
            ends = [of_workload(one, None, 4, snapshot) for one in (first, second)]
            way = Way(ends[0], ends[1], "TCP", made.chance.choice(random_cluster.PORTS))
            judged = verdict(context.view, ends[0].party(1), ends[1].party(2), "TCP", way.port)
            for direction, judgement in ((Direction.EGRESS, judged.egress), (Direction.INGRESS, judged.ingress)):
                own = side(way, direction, context)
                isolated = bool(judgement.isolated_by)
                found = decided(steps(way, direction, context), own.verdict, is_isolated=isolated)
                assert found is (Verdict.ALLOWED if judgement.allowed else Verdict.NOT_ALLOWED), (seed, way)
                decided_by_tiers += judgement.decided_by is not None
            assert (line(way, context).verdict is Verdict.ALLOWED) is judged.allowed
    assert decided_by_tiers > CLUSTERS


def test_a_change_allows_the_connection() -> None:
    changed = 0
    for seed in range(CLUSTERS):
        made, objects = cluster(seed)
        source, server = made.chance.sample(made.pods, 2)
        names = [f"{one['namespace']}/{one['name']}" for one in (source, server)]
        port = made.chance.choice(random_cluster.PORTS)
        found = answer.report(names[0], f"{names[1]}:{port}", read(objects))
        applied = list(objects)
        for change in found.changes:
            value = yaml.safe_load(change.yaml)
            key = (value["kind"], value["metadata"]["name"], value["metadata"].get("namespace"))
            applied = [one for one in applied if _key(one) != key] + [value]
        if found.verdict is Verdict.NOT_ALLOWED:
            after = answer.report(names[0], f"{names[1]}:{port}", read(applied))
            assert after.verdict is Verdict.ALLOWED, (seed, found.text)
            changed += 1
    assert changed > CLUSTERS // 4


def _key(one: Object) -> tuple[str, str, str | None]:
    return one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")


def test_without_a_policy_default_deny_denies() -> None:
    made = Made(1, with_blocks=False)
    objects = [one for one in made.objects if one["kind"] != "NetworkPolicy"]
    closed = msgspec.structs.replace(read(objects), default_deny=True)
    first, second = (f"{one['namespace']}/{one['name']}" for one in made.pods[:2])
    found = answer.report(first, f"{second}:80", closed)
    assert found.verdict is Verdict.NOT_ALLOWED
    assert "egress of" in found.text
    assert "--default-deny of tier default denies" in found.text
    opened = [*objects, *(yaml.safe_load(one.yaml) for one in found.changes)]
    again = msgspec.structs.replace(read(opened), default_deny=True)
    assert answer.report(first, f"{second}:80", again).verdict is Verdict.ALLOWED
    assert not any(first in one.from_ and second in one.to for one in report(closed).connections)
