"""Bootstrap objects are created again when they are deleted."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base import status
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes import bootstrap_controller
from tests.apiserver.conftest import Talk, until

SERVICE = "/api/v1/namespaces/default/services/kubernetes"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"


@pytest.mark.proves("first-objects-come-back")
async def test_the_service_of_the_server_is_created_again_at_its_address(talk: Talk) -> None:
    first = await talk.ok("GET", SERVICE)
    await talk.ok("DELETE", SERVICE)
    await until(lambda: talk.server.store.get(Key("services", "default", "kubernetes")))
    again = await talk.ok("GET", SERVICE)
    assert again["spec"] == first["spec"]
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    await talk.ok("DELETE", SLICE)
    await until(lambda: talk.server.store.get(Key("endpointslices.discovery.k8s.io", "default", "kubernetes")))


async def test_an_object_that_cannot_be_created_is_reported_and_tried_later(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []
    create = talk.server._writer.create

    async def refused_once(resource: Any, namespace: str, body: Any, options: Any) -> Any:
        tries.append(body["metadata"]["name"])
        if len(tries) == 1:
            raise status.unavailable("the disk is full")
        return await create(resource, namespace, body, options)

    monkeypatch.setattr(talk.server._writer, "create", refused_once)
    monkeypatch.setattr(bootstrap_controller, "RETRY_SECONDS", 0.0)
    await talk.ok("DELETE", SERVICE)
    await until(lambda: talk.server.store.get(Key("services", "default", "kubernetes")))
    assert tries == ["kubernetes", "kubernetes"]
    assert "the disk is full" in caplog.text


async def test_objects_of_others_stay_deleted(talk: Talk) -> None:
    path = "/api/v1/namespaces/default/services"
    await talk.ok("POST", path, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 1}]}})
    await talk.ok("DELETE", f"{path}/web")
    await talk.ok("DELETE", SERVICE)
    await until(lambda: talk.server.store.get(Key("services", "default", "kubernetes")))
    assert [one["metadata"]["name"] for one in (await talk.ok("GET", path))["items"]] == ["kubernetes"]
