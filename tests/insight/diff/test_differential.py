"""What a change opens and closes is what a naive evaluator has in one of the states only."""

from __future__ import annotations

import itertools
import random

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer
from podwire.insight.diff.connections import differences
from podwire.insight.diff.report import ConnectionLine, Effect
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.report import Connection, report
from tests.insight.connection import random_cluster
from tests.insight.connection.test_differential import Made, read

STATES = 40
Triple = tuple[str, str, int]


def test_what_is_opened_and_closed_is_that_of_a_naive_evaluator() -> None:
    changed = 0
    for seed in range(STATES):
        old = Made(seed, with_blocks=True)
        chance = random.Random(-seed)
        others = random_cluster.manifests(chance, old.spaces, old.pods, with_blocks=True)
        lines = differences(old.snapshot, read(others))
        before, after = old.all(old.objects), old.all(others)
        assert of_effect(lines, Effect.OPENED) == after - before, seed
        assert of_effect(lines, Effect.CLOSED) == before - after, seed
        changed += before != after
    assert changed > STATES // 2


def test_explanations_agree_with_reach() -> None:
    for seed in range(STATES):
        made = Made(seed, with_blocks=True)
        parties = Parties(made.snapshot)
        reached = {
            (source, destination)
            for one in report(made.snapshot).connections
            if one.is_certain and _has(one, 80)
            for source in one.from_ for destination in one.to
        }  # fmt: skip
        names = [str(one) for one in parties.all if one.kind == "Pod"]
        for source, server in itertools.permutations(names, 2):
            found = answer.report(source, f"{server}:80", made.snapshot).verdict
            assert (found is Verdict.ALLOWED) is ((source, server) in reached), (seed, source, server)


def of_effect(lines: tuple[ConnectionLine, ...], effect: Effect) -> set[Triple]:
    """Return pairs of pods with the TCP ports that the random policies know."""
    return {
        (source.partition("/")[2], destination.partition("/")[2], port)
        for line in lines if line.effect is effect and line.is_certain
        for source in line.sources for destination in line.destinations
        for port in random_cluster.PORTS
        if _is_pod(source) and _is_pod(destination) and _has(line, port)
    }  # fmt: skip


def _is_pod(name: str) -> bool:
    return "/p" in name and not name.startswith("outside")


def _has(line: ConnectionLine | Connection, port: int) -> bool:
    return any(one.protocol == "TCP" and any(a <= port <= b for a, b in one.ranges) for one in line.port_list)
