"""Rollouts as tables, and whole rollouts played to their end: never too few pods, never too many."""

import random
from typing import Any

import pytest

from podwire.controllers.workloads import deployment_rollout
from podwire.kube.apps import ReplicaSet
from tests.controllers.build import deployment, replica_set


def strategy(surge: int | str, unavailable: int | str) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "bounds"),
    [(4, "25%", "25%", (1, 1)), (10, "25%", "25%", (3, 2)), (1, "25%", "25%", (1, 0)), (3, 0, 0, (0, 1))],
)
def test_bounds(replicas: int, surge: int | str, unavailable: int | str, bounds: tuple[int, int]) -> None:
    assert deployment_rollout.bounds(deployment(replicas, strategy=strategy(surge, unavailable))) == bounds


def sizes(
    wanted: int, current: tuple[int, int] | None, old: list[tuple[int, int]], old_pods: int = 0, **spec: Any
) -> tuple[int | None, list[int]]:
    """Sizes for sets given as (replicas, available)."""
    sets = [replica_set(count, f"old-{i}", available=ready) for i, (count, ready) in enumerate(old)]
    now = replica_set(current[0], "now", available=current[1]) if current else None
    return deployment_rollout.sizes(deployment(wanted, **spec), now, sets, old_pods)


ONE_MORE = {"strategy": strategy(1, 0)}
ONE_LESS = {"strategy": strategy(0, 1)}
RECREATE = {"strategy": {"type": "Recreate"}}


@pytest.mark.parametrize(
    ("arguments", "spec", "expected"),
    [
        pytest.param((3, None, []), {}, (3, []), id="first"),
        pytest.param((5, (3, 3), []), {}, (5, []), id="scaled up"),
        pytest.param((1, (3, 3), []), {}, (1, []), id="scaled down"),
        pytest.param((3, None, [(3, 3)]), ONE_MORE, (1, [3]), id="a new one first"),
        pytest.param((3, (1, 0), [(3, 3)]), ONE_MORE, (1, [3]), id="wait for it"),
        pytest.param((3, (1, 1), [(3, 3)]), ONE_MORE, (1, [2]), id="then an old one goes"),
        pytest.param((3, None, [(3, 3)]), ONE_LESS, (0, [2]), id="an old one first"),
        pytest.param((3, (0, 0), [(2, 2)]), ONE_LESS, (1, [2]), id="then a new one"),
        pytest.param((3, (1, 0), [(3, 1)]), ONE_MORE, (1, [3]), id="too few available: none goes"),
        pytest.param((3, (1, 0), [(2, 0), (2, 2)]), ONE_LESS, (1, [0, 2]), id="broken old ones go first"),
        pytest.param((0, (3, 3), [(2, 2)]), {}, (0, [0]), id="to zero"),
        pytest.param((3, None, [(3, 3)], 3), RECREATE, (None, [0]), id="recreate ends the old ones"),
        pytest.param((3, None, [(0, 0)], 1), RECREATE, (None, [0]), id="recreate waits for the last one"),
        pytest.param((3, None, [(0, 0)], 0), RECREATE, (3, [0]), id="recreate starts the new ones"),
    ],
)
def test_next_step(arguments: Any, spec: dict[str, Any], expected: tuple[int | None, list[int]]) -> None:
    assert sizes(*arguments, **spec) == expected


@pytest.mark.parametrize("seed", range(30))
def test_any_rollout_ends_within_its_bounds(seed: int) -> None:
    dice = random.Random(seed)
    wanted = dice.randint(1, 12)
    surges: list[int | str] = [0, 1, "25%", "50%"]
    absences: list[int | str] = [0, 1, "25%", "100%"]
    spec: dict[str, Any] = {"strategy": strategy(dice.choice(surges), dice.choice(absences))}
    surge, unavailable = deployment_rollout.bounds(deployment(wanted, **spec))
    old, new, ready_old, ready_new = wanted, 0, wanted, 0
    for _ in range(200):
        size, (old,) = sizes(wanted, (new, ready_new), [(old, ready_old)], **spec)
        assert size is not None
        new = size
        assert new + old <= wanted + surge
        ready_old = min(ready_old, old)
        assert ready_old + ready_new >= wanted - unavailable
        ready_new = dice.randint(ready_new, new)
        if (new, old, ready_new) == (wanted, 0, wanted):
            return
    pytest.fail("the rollout did not end")


def test_the_oldest_of_several_old_sets_is_scaled_down_first() -> None:
    sets: list[ReplicaSet] = [replica_set(2, "older", available=2), replica_set(2, "old", available=2)]
    assert deployment_rollout.sizes(deployment(4, strategy=strategy(0, 1)), None, sets, 0)[1] == [1, 2]
