from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from podwire.controllers.disruption import budget as budgets
from podwire.controllers.disruption.controller import Disruptions
from podwire.kube.core import Pod
from podwire.kube.disruption import PodDisruptionBudget
from podwire.kube.kinds import POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS
from podwire.kube.shared_informers import SharedInformers
from tests.controllers.build import READY, pod
from tests.kube.fake_api import FakeApi, running

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SELECTOR = {"matchLabels": {"app": "web"}}


def budget(status: Any = None, **spec: Any) -> PodDisruptionBudget:
    metadata = {"name": "web", "namespace": "shop", "generation": 2}
    whole = {"metadata": metadata, "spec": {"selector": SELECTOR, **spec}, "status": status or {}}
    return msgspec.convert(whole, PodDisruptionBudget)


def owned(name: str, **changes: Any) -> Pod:
    owner = {"kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}
    return pod(name, metadata={"ownerReferences": [owner]}, **changes)


@pytest.mark.parametrize(
    ("spec", "pods", "expected"),
    [
        ({"minAvailable": 2}, [owned("a"), owned("b"), owned("c")], (1, 3, 2)),
        ({"minAvailable": 2}, [owned("a"), owned("b", ready=False)], (0, 1, 2)),
        ({"minAvailable": "50%"}, [owned("a"), owned("b"), owned("c")], (1, 3, 2)),
        ({"minAvailable": "50%"}, [pod("a"), pod("b"), pod("c")], (1, 3, 2)),
        ({"maxUnavailable": 1}, [owned("a"), owned("b"), owned("c")], (0, 3, 3)),
        ({"maxUnavailable": 1}, [owned("a"), owned("b"), owned("c"), owned("d", ending=True)], (0, 3, 3)),
        ({"maxUnavailable": "50%"}, [owned("a"), owned("b"), owned("c")], (1, 3, 2)),
        ({"maxUnavailable": 1}, [], (0, 0, 0)),
        ({"minAvailable": 0}, [pod("a", phase="Succeeded")], (0, 0, 0)),
    ],
)
def test_how_many_may_go(spec: dict[str, Any], pods: list[Pod], expected: tuple[int, int, int]) -> None:
    status = budgets.status(budget(**spec), pods, {"rs": 4}, NOW)
    assert (status.disruptions_allowed, status.current_healthy, status.desired_healthy) == expected


def test_an_evicted_pod_does_not_count_until_it_ends_or_its_entry_expires() -> None:
    charged = {
        "disruptedPods": {"a": "2026-01-01T23:59:00Z", "b": "2026-01-01T23:50:00Z", "gone": "2026-01-02T00:00:00Z"}
    }
    status = budgets.status(budget(charged, minAvailable=1), [pod("a"), pod("b"), pod("c")], {}, NOW)
    assert status.disrupted_pods == {"a": "2026-01-01T23:59:00Z"}
    assert (status.current_healthy, status.disruptions_allowed) == (2, 1)
    assert status.conditions[0].reason == "SufficientPods"


async def test_the_status_follows_pods_and_drops_those_that_ended() -> None:
    api = FakeApi()
    spec = {"replicas": 2, "selector": SELECTOR, "template": {}}
    uid = api.put(REPLICA_SETS, "web", "shop", spec=spec)["metadata"]["uid"]
    owner = {"kind": "ReplicaSet", "name": "web", "uid": uid, "controller": True}
    for name in ("a", "b"):
        metadata = {"labels": {"app": "web"}, "ownerReferences": [owner]}
        api.put(PODS, name, "shop", metadata=metadata, spec={}, status={"phase": "Running", "conditions": [READY]})
    charged = {"disruptedPods": {"gone": "2026-01-01T00:00:00Z"}}
    api.put(POD_DISRUPTION_BUDGETS, "web", "shop", spec={"selector": SELECTOR, "maxUnavailable": 1}, status=charged)
    informers = SharedInformers(api)

    def said() -> tuple[Any, Any]:
        (item,) = api.all(POD_DISRUPTION_BUDGETS)
        return item["status"].get("disruptionsAllowed"), item["status"].get("disruptedPods")

    async with running(informers, Disruptions(api, informers)):
        await api.until(lambda: said() == (1, {}))
        api.put(PODS, "a", "shop", status={"phase": "Running", "conditions": []})
        await api.until(lambda: said() == (0, {}))
