"""Explanations agree with a naive evaluator, with the policy model, and their changes allow exactly what they name."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.connection.report import Report, Word
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.manifests import objects
from podwire.insight.sources.text import Text
from tests.insight.connection import naive, random_cluster

Object = dict[str, Any]
CLUSTERS = 60


class Made:
    """A random cluster of a seed."""

    def __init__(self, seed: int, *, with_blocks: bool) -> None:
        self.chance = random.Random(seed)
        self.spaces = random_cluster.namespaces(self.chance)
        self.pods = random_cluster.pods(self.chance)
        self.objects = random_cluster.manifests(self.chance, self.spaces, self.pods, with_blocks=with_blocks)
        self.snapshot = read(self.objects)

    def allowed(self, source: Object, server: Object, port: int, found: list[Object] | None = None) -> bool:
        policies = [one for one in found or self.objects if one["kind"] == "NetworkPolicy"]
        return naive.allowed(policies, self.spaces, source, server, port)

    def all(self, found: list[Object]) -> set[tuple[str, str, int]]:
        return {
            (source["name"], server["name"], port)
            for source in self.pods for server in self.pods for port in random_cluster.PORTS
            if source is not server and self.allowed(source, server, port, found)
        }  # fmt: skip


def read(found: list[Object]) -> Snapshot:
    return snapshot_of(objects(Text("made.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))))


def explained(made: Made, source: Object, server: Object, port: int) -> Report:
    names = (f"{one['namespace']}/{one['name']}" for one in (source, server))
    client, destination = names
    return answer.report(client, f"{destination}:{port}", made.snapshot)


def test_the_answer_is_that_of_a_naive_evaluator() -> None:
    _compare(range(CLUSTERS))


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_thousands_of_answers_are_those_of_a_naive_evaluator(block: int) -> None:
    _compare(range(1000 + block * 100, 1100 + block * 100))


def _compare(seeds: range) -> None:
    for seed in seeds:
        made = Made(seed, with_blocks=True)
        for _ in range(10):
            source, server = made.chance.sample(made.pods, 2)
            port = made.chance.choice(random_cluster.PORTS)
            report = explained(made, source, server, port)
            wanted = Verdict.ALLOWED if made.allowed(source, server, port) else Verdict.NOT_ALLOWED
            assert report.verdict is wanted, (seed, source["name"], server["name"], port)
            _check_reasons(report)


def _check_reasons(report: Report) -> None:
    """What does not admit has a reason, and what admits has a rule that does."""
    for connection in report.connections:
        for side in connection.sides:
            for policy in side.policies:
                if policy.word is Word.NOT_APPLICABLE:
                    assert policy.text
                for rule in policy.rules:
                    assert bool(rule.misses) is (rule.word is not Word.ADMITS)
                admits = any(rule.word is Word.ADMITS for rule in policy.rules)
                assert admits is (policy.word is Word.ADMITS)


def test_a_change_allows_exactly_the_connection() -> None:
    tried = 0
    for seed in range(CLUSTERS):
        made = Made(seed, with_blocks=False)
        source, server = made.chance.sample(made.pods, 2)
        port = made.chance.choice(random_cluster.PORTS)
        report = explained(made, source, server, port)
        if report.verdict is Verdict.ALLOWED:
            assert report.changes == ()
            continue
        applied = made.objects
        for change in report.changes:
            value = yaml.safe_load(change.yaml)
            applied = [one for one in applied if _name(one) != _name(value)] + [value]
        opened = made.all(applied) - made.all(made.objects)
        assert opened == {(source["name"], server["name"], port)}, (seed, report.changes)
        assert made.all(made.objects) <= made.all(applied)
        tried += 1
    assert tried > CLUSTERS // 4


def _name(one: Object) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def test_without_addresses_an_answer_is_certain_or_undecidable() -> None:
    """Where pods have no address yet, an answer that is given must be that for every address of the ranges."""
    undecidable = 0
    for seed in range(60):
        made = Made(seed, with_blocks=True)
        planned = read([{**one, "status": {}} if one["kind"] == "Pod" else one for one in made.objects])
        for _ in range(6):
            source, server = made.chance.sample(made.pods, 2)
            port = made.chance.choice(random_cluster.PORTS)
            names = [f"{one['namespace']}/{one['name']}" for one in (source, server)]
            found = answer.report(names[0], f"{names[1]}:{port}", planned).verdict
            possible = set()
            for first, second in (("10.244.0.1", "10.244.0.2"), ("10.244.9.9", "10.244.1.1")):
                ends = {**source, "address": first}, {**server, "address": second}
                possible.add(made.allowed(*ends, port))
            if found is Verdict.UNDECIDABLE:
                undecidable += 1
            else:
                assert possible == {found is Verdict.ALLOWED}, seed
    assert undecidable > 4
