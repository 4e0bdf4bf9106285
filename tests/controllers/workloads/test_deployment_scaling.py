from typing import Any

import pytest

from podwire.controllers.workloads import deployment_scaling
from podwire.controllers.workloads.deployment_scaling import DESIRED_REPLICAS, MAX_REPLICAS
from podwire.kube.apps import Deployment, ReplicaSet
from tests.controllers.build import deployment, replica_set


def rolling(replicas: int, surge: int | str = 3, unavailable: int | str = 2, **spec: Any) -> Deployment:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return deployment(replicas, strategy=strategy, **spec)


def sized(name: str, count: int, sized_for: Deployment, available: int = 0) -> ReplicaSet:
    annotations = deployment_scaling.size_annotations(sized_for)
    return replica_set(count, name, available=available, metadata={"annotations": annotations})


def test_a_set_with_pods_that_was_sized_for_another_count_is_a_scaling() -> None:
    before = rolling(10)
    assert deployment_scaling.is_scaling(rolling(30), [sized("a", 8, before)])
    assert not deployment_scaling.is_scaling(rolling(10), [sized("a", 8, before)])
    assert not deployment_scaling.is_scaling(rolling(30), [sized("a", 0, before), replica_set(4)])


@pytest.mark.parametrize(
    ("wanted", "old", "new", "expected"),
    [
        pytest.param(30, 8, 5, (13, [20]), id="up, each keeps its share"),
        pytest.param(5, 8, 5, (3, [5]), id="down, each keeps its share"),
        pytest.param(0, 8, 5, (0, [0]), id="to nothing"),
    ],
)
def test_a_new_count_is_spread_over_the_sets_of_a_rollout(
    wanted: int, old: int, new: int, expected: tuple[int, list[int]]
) -> None:
    before = rolling(10)
    sets = sized("new", new, before), [sized("old", old, before, available=old)]
    assert deployment_scaling.sizes(rolling(wanted), *sets) == expected


def test_sets_of_one_size_share_in_the_order_of_upstream() -> None:
    """Up: the newer one gets what is left over; down: the older one gives it."""
    before = rolling(4, surge=0)
    sets = sized("new", 2, before), [sized("old", 2, before)]
    assert deployment_scaling.sizes(rolling(5, surge=0), *sets) == (3, [2])
    assert deployment_scaling.sizes(rolling(3, surge=0), *sets) == (2, [1])


def test_one_set_with_pods_takes_the_whole_count() -> None:
    before = rolling(3)
    assert deployment_scaling.sizes(rolling(7), sized("new", 3, before), [sized("old", 0, before)]) == (7, [0])
    assert deployment_scaling.sizes(rolling(7), None, [sized("old", 3, before)]) == (None, [7])
    assert deployment_scaling.sizes(rolling(7), sized("new", 0, before), [sized("old", 0, before)]) == (7, [0])


def test_a_new_set_that_is_complete_ends_the_old_ones() -> None:
    now = rolling(3)
    sets = sized("new", 3, now, available=3), [sized("old", 2, now, available=2)]
    assert deployment_scaling.sizes(now, *sets) == (3, [0])


def test_recreate_is_not_spread() -> None:
    recreate = deployment(5, strategy={"type": "Recreate"})
    sets = sized("new", 2, recreate), [sized("old", 2, recreate)]
    assert deployment_scaling.sizes(recreate, *sets) == (2, [2])


@pytest.mark.parametrize("text", ["", "many", "9" * 99])
def test_an_annotation_that_is_no_number_falls_back_to_the_size_of_the_deployment(text: str) -> None:
    annotations = {DESIRED_REPLICAS: "10", MAX_REPLICAS: text}
    old, new = (replica_set(n, name, metadata={"annotations": annotations}) for n, name in ((8, "old"), (5, "new")))
    assert deployment_scaling.sizes(rolling(30, status={"replicas": 13}), new, [old]) == (13, [20])
