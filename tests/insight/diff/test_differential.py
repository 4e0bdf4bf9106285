"""What a change opens and closes is what a naive evaluator has in one of the states only."""

from __future__ import annotations

import random

from podwire.insight.diff.connections import differences
from podwire.insight.diff.report import ConnectionLine, Effect
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


def _has(line: ConnectionLine, port: int) -> bool:
    return any(one.protocol == "TCP" and any(a <= port <= b for a, b in one.ranges) for one in line.port_list)
