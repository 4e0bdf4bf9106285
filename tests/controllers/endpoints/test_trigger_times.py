from __future__ import annotations

import msgspec

from podwire.controllers.endpoints.trigger_times import TRIGGER_TIME, TriggerTimes, with_trigger_time
from podwire.kube.core import Pod
from podwire.kube.services import Service
from tests.controllers.build import pod, service


def made(second: int) -> Service:
    item = service()
    return msgspec.structs.replace(item, metadata=msgspec.structs.replace(item.metadata, creation_timestamp=at(second)))


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}Z"


def changed(name: str, second: int) -> Pod:
    item = pod(name)
    (condition,) = item.status.conditions
    conditions = (msgspec.structs.replace(condition, last_transition_time=at(second)),)
    return msgspec.structs.replace(item, status=msgspec.structs.replace(item.status, conditions=conditions))


def test_the_earliest_new_change_counts() -> None:
    times = TriggerTimes()
    assert times.changed(made(5), [changed("a", 9)]) == at(5), "the creation of a Service that is seen first"
    assert times.changed(made(5), [changed("a", 9)]) == ""
    assert times.changed(made(5), [changed("a", 9), changed("b", 7), changed("c", 8)]) == at(7)
    assert times.changed(made(5), [changed("a", 10), changed("b", 7), pod("d", ready=False)]) == at(10)
    assert times.changed(made(5), []) == "", "a pod that went has no time"
    assert times.changed(made(5), [changed("a", 10)]) == at(10), "nor is it remembered"
    assert times.changed(made(12), [changed("a", 10)]) == at(12), "the Service was made again"
    times.remove(made(12).key)
    assert times.changed(made(12), [changed("a", 20)]) == at(12)


def test_the_annotation_is_that_of_the_last_write_only() -> None:
    assert with_trigger_time({"team": "x"}, at(1)) == {"team": "x", TRIGGER_TIME: at(1)}
    assert with_trigger_time({"team": "x", TRIGGER_TIME: at(1)}, "") == {"team": "x"}
