"""Priority of pods by their class."""

from typing import Any

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.samples import MERGE, PODS, pod

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def named(name: str, value: int, **parts: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "value": value, **parts}


@pytest.mark.proves("pod-priority")
async def test_a_pod_has_the_priority_of_its_class(talk: Talk) -> None:
    plain = (await talk.ok("POST", PODS, pod("plain")))["spec"]
    assert (plain["priority"], plain["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    assert "priorityClassName" not in plain
    await talk.ok("POST", CLASSES, named("high", 1000, preemptionPolicy="Never"))
    high = (await talk.ok("POST", PODS, pod("high", priorityClassName="high")))["spec"]
    assert (high["priority"], high["preemptionPolicy"]) == (1000, "Never")
    critical = (await talk.ok("POST", PODS, pod("dns", priorityClassName="system-cluster-critical")))["spec"]
    assert critical["priority"] == 2_000_000_000


@pytest.mark.proves("pod-priority")
async def test_a_default_class_is_that_of_pods_without_one(talk: Talk) -> None:
    await talk.ok("POST", CLASSES, named("usual", 7, globalDefault=True))
    spec = (await talk.ok("POST", PODS, pod("a")))["spec"]
    assert (spec["priorityClassName"], spec["priority"]) == ("usual", 7)
    _, _, message = await talk.refused("POST", CLASSES, named("other", 8, globalDefault=True))
    assert message.endswith("PriorityClass usual is already marked as default. Only one default can exist")
    await talk.ok("DELETE", f"{CLASSES}/usual")
    assert (await talk.ok("POST", PODS, pod("b")))["spec"]["priority"] == 0


async def test_an_unknown_class_and_another_number_are_forbidden(talk: Talk) -> None:
    code, reason, message = await talk.refused("POST", PODS, pod(priorityClassName="none"))
    assert (code, reason) == (403, "Forbidden")
    assert message.endswith("no PriorityClass with name none was found")
    message = (await talk.refused("POST", PODS, pod(priority=5)))[2]
    assert "the integer value of priority (5) must not be provided in pod spec" in message
    message = (await talk.refused("POST", PODS, pod(preemptionPolicy="Never")))[2]
    assert "the string value of PreemptionPolicy (Never) must not be provided in pod spec" in message


async def test_an_update_that_leaves_the_number_out_keeps_it(talk: Talk) -> None:
    made = await talk.ok("POST", PODS, pod())
    del made["spec"]["priority"], made["spec"]["preemptionPolicy"]
    kept = await talk.ok("PUT", f"{PODS}/web", made)
    assert kept["spec"]["priority"] == 0
    assert (await talk.refused("PATCH", f"{PODS}/web", {"spec": {"priority": 4}}, content_type=MERGE))[0] == 422
