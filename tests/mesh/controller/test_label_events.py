"""Values of the enrolment label that mean nothing are events of their objects."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from podwire.kube.kinds import EVENTS, NAMESPACES, PODS
from podwire.kube.recorder import Recorder
from podwire.mesh.controller.label_events import REASON, LabelEvents
from podwire.redirection.enrolment import ENABLED, LABEL
from tests.kube.fake_api import FakeApi


def events(api: FakeApi) -> list[dict[str, Any]]:
    return [one for one in api.objects.get(EVENTS.resource, {}).values() if one["reason"] == REASON]


async def test_an_unknown_value_is_an_event_and_a_right_one_is_none() -> None:
    api = FakeApi()
    api.cluster_scoped.add(NAMESPACES.resource)
    api.put(NAMESPACES, "right", "", metadata={"labels": {LABEL: ENABLED}})
    api.put(NAMESPACES, "wrong", "", metadata={"labels": {LABEL: "enable"}})
    recorder = Recorder(api, "mesh")
    tasks = [asyncio.create_task(recorder.run()), asyncio.create_task(LabelEvents(api, recorder).lead())]
    try:
        await api.until(lambda: len(events(api)) == 1, 60)
        api.put(PODS, "late", "wrong", metadata={"labels": {LABEL: "true"}})
        await api.until(lambda: len(events(api)) == 2, 60)
        assert {(one["involvedObject"]["kind"], one["involvedObject"]["name"]) for one in events(api)} == {
            ("Namespace", "wrong"),
            ("Pod", "late"),
        }
        assert all(f"write {LABEL}={ENABLED}" in one["message"] for one in events(api))
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
