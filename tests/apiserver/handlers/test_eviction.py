from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.handlers import eviction

READY = [{"type": "Ready", "status": "True"}]


def pod(*, phase: str = "Running", ready: bool = True) -> dict[str, Any]:
    status = {"phase": phase, "conditions": READY if ready else []}
    return {"metadata": {"name": "a", "labels": {"app": "web"}}, "status": status}


def budget(allowed: int = 1, name: str = "web", **changes: Any) -> dict[str, Any]:
    status = {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 2}
    spec = {"selector": {"matchLabels": {"app": "web"}}, **changes.pop("spec", {})}
    return {"metadata": {"name": name, "generation": 1}, "spec": spec, "status": {**status, **changes}}


@pytest.mark.proves("evictions")
def test_an_eviction_is_charged_and_the_next_one_refused() -> None:
    charged = eviction.charge(budget(), pod(), "now")
    assert charged["status"]["disruptionsAllowed"] == 0
    assert charged["status"]["disruptedPods"] == {"a": "now"}
    with pytest.raises(StatusError) as refused:
        eviction.charge(charged, pod(), "now")
    assert (refused.value.code, refused.value.reason) == (429, "TooManyRequests")
    (cause,) = refused.value.details.causes
    assert cause.message == "The disruption budget web needs 2 healthy pods and has 2 currently"


def test_a_budget_without_a_status_refuses() -> None:
    with pytest.raises(StatusError) as refused:
        eviction.charge(budget(observedGeneration=0), pod(), "now")
    assert refused.value.details.retry_after_seconds == 10


@pytest.mark.parametrize(
    ("changes", "free"),
    [
        ({}, True),
        ({"currentHealthy": 1}, False),
        ({"currentHealthy": 1, "spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}, True),
    ],
)
def test_an_unready_pod_is_evicted_freely_while_enough_are_healthy(changes: dict[str, Any], free: bool) -> None:
    full = budget(0, **changes)
    if free:
        assert eviction.charge(full, pod(ready=False), "now") == full
    else:
        with pytest.raises(StatusError):
            eviction.charge(full, pod(ready=False), "now")


def test_which_budget_decides() -> None:
    others = [budget(name="db", spec={"selector": {"matchLabels": {"app": "db"}}}), budget(spec={"selector": None})]
    assert eviction.budget_of(pod(), others) is None
    assert eviction.budget_of(pod(), [*others, budget()]) == budget()
    assert eviction.budget_of(pod(phase="Pending"), [budget()]) is None
    with pytest.raises(StatusError, match="more than one PodDisruptionBudget"):
        eviction.budget_of(pod(), [budget(), budget(name="second")])
