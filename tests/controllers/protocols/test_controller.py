from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podwire.controllers.protocols.conditions import TYPE
from podwire.controllers.protocols.controller import ProtocolController
from podwire.kube.kinds import SERVICES
from podwire.kube.shared_informers import SharedInformers
from tests.kube.fake_api import FakeApi, running

SCTP = {"port": 5000, "protocol": "SCTP"}
TCP = {"port": 80, "protocol": "TCP"}
FOREIGN = {"type": "example.com/Seen", "status": "True"}


@pytest.fixture
async def api() -> FakeApi:
    return FakeApi()


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, *, sctp: bool) -> AsyncIterator[None]:
    informers = SharedInformers(api)
    async with running(informers, ProtocolController(api, informers, lambda: sctp)):
        yield


def serve(api: FakeApi, name: str, *ports: dict[str, Any], **spec: Any) -> None:
    api.put(SERVICES, name, "shop", spec={"ports": ports, **spec})


def conditions(api: FakeApi, name: str) -> list[dict[str, Any]]:
    (item,) = (item for item in api.all(SERVICES) if item["metadata"]["name"] == name)
    found: list[dict[str, Any]] = item.get("status", {}).get("conditions", [])
    return found


def types(api: FakeApi, name: str) -> list[str]:
    return [condition["type"] for condition in conditions(api, name)]


async def test_the_condition_comes_and_goes_with_the_port(api: FakeApi) -> None:
    serve(api, "web", TCP)
    serve(api, "alias", SCTP, type="ExternalName")
    serve(api, "media", TCP, SCTP, {"port": 5001, "protocol": "SCTP"})
    api.put(SERVICES, "media", "shop", status={"conditions": [FOREIGN]})
    async with at_work(api, sctp=False):
        await api.until(lambda: len(conditions(api, "media")) == 2)
        (condition,) = (one for one in conditions(api, "media") if one["type"] == TYPE)
        assert (condition["status"], condition["reason"]) == ("False", "SCTPNotSupported")
        assert condition["message"].startswith("spec.ports 5000, 5001: the kernel of the nodes has no SCTP")
        assert "use TCP or UDP" in condition["message"]
        assert types(api, "web") == types(api, "alias") == []
        serve(api, "media", TCP)
        await api.until(lambda: conditions(api, "media") == [FOREIGN])
        serve(api, "media", SCTP)
        await api.until(lambda: types(api, "media") == [FOREIGN["type"], TYPE])


async def test_a_kernel_with_sctp_needs_no_condition_and_removes_an_old_one(api: FakeApi) -> None:
    serve(api, "media", SCTP)
    async with at_work(api, sctp=False):
        await api.until(lambda: types(api, "media") == [TYPE])
    serve(api, "other", SCTP)
    async with at_work(api, sctp=True):
        await api.until(lambda: types(api, "media") == [])
        assert types(api, "other") == []


async def test_a_condition_from_before_the_start_is_removed(api: FakeApi) -> None:
    serve(api, "web", TCP)
    api.put(SERVICES, "web", "shop", status={"conditions": [FOREIGN, {"type": TYPE, "status": "False"}]})
    async with at_work(api, sctp=False):
        await api.until(lambda: conditions(api, "web") == [FOREIGN])
