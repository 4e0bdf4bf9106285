import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from podwire.kube.client import ApiError
from podwire.kube.conditions import with_condition
from podwire.kube.core import Node
from podwire.kube.kinds import NODES
from podwire.kube.meta import Condition
from podwire.kube.status_writer import StatusWriter
from tests.kube.fake_server import connected

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


class Nodes:
    """One Node; `intruders` are conditions that somebody else writes just before the next patches."""

    def __init__(self, *intruders: str) -> None:
        self.version, self.uid = 1, "u"
        self.conditions: list[dict[str, str]] = []
        self.intruders = list(intruders)
        self.patches: list[dict[str, Any]] = []
        self.gone = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.gone:
            return web.json_response({"reason": "NotFound", "message": "gone"}, status=404)
        if request.method == "PATCH":
            if self.intruders:
                self.version += 1
                self.conditions.append({"type": self.intruders.pop(0), "status": "True"})
            body = await request.json()
            self.patches.append(body)
            if body["metadata"] != {"uid": self.uid, "resourceVersion": str(self.version)}:
                return web.json_response({"reason": "Conflict", "message": "changed"}, status=409)
            self.version += 1
            self.conditions = body["status"]["conditions"]
        return web.json_response(self.node())

    def node(self) -> dict[str, Any]:
        metadata = {"name": "a", "uid": self.uid, "resourceVersion": str(self.version)}
        return {"metadata": metadata, "status": {"conditions": self.conditions}}


def ready(node: Node) -> Mapping[str, Any]:
    """The condition Ready added to those that are there; nothing where it is there."""
    if node.ready:
        return {}
    types = [one.type for one in node.status.conditions] + ["Ready"]
    return {"conditions": [{"type": name, "status": "True"} for name in types]}


async def write(server: Nodes) -> Node | None:
    async with connected(server.handle) as client, asyncio.timeout(60):
        item = (await client.get(NODES, Node().key)) if not server.gone else Node()
        return await StatusWriter(client, NODES).write(item, ready)


async def test_what_others_wrote_meanwhile_is_kept() -> None:
    server = Nodes("DiskPressure", "PIDPressure")
    found = await write(server)
    assert found is not None
    assert [one.type for one in found.status.conditions] == ["DiskPressure", "PIDPressure", "Ready"]
    assert len(server.patches) == 3


async def test_nothing_is_written_where_nothing_changes() -> None:
    server = Nodes()
    server.conditions = [{"type": "Ready", "status": "True"}]
    assert await write(server) is not None
    assert server.patches == []


async def test_endless_conflicts_are_an_error_after_five_tries() -> None:
    server = Nodes(*"abcdefgh")
    with pytest.raises(ApiError, match="changed"):
        await write(server)
    assert len(server.patches) == 5


async def test_an_object_that_is_gone_or_was_made_again_is_left_alone() -> None:
    server = Nodes()
    server.gone = True
    assert await write(server) is None
    replaced = Nodes("a")

    def renamed(node: Node) -> Mapping[str, Any]:
        replaced.uid = "another"
        return ready(node)

    async with connected(replaced.handle) as client, asyncio.timeout(60):
        item = await client.get(NODES, Node().key)
        assert await StatusWriter(client, NODES).write(item, renamed) is None
    assert len(replaced.patches) == 1


def test_a_condition_changes_its_time_with_its_status_only() -> None:
    first = with_condition((Condition(type="Other"),), Condition(type="Ready", status="False", reason="A"), EARLY)
    assert [one.type for one in first] == ["Other", "Ready"]
    again = with_condition(first, Condition(type="Ready", status="False", reason="B", observed_generation=2), LATE)
    assert (again[1].reason, again[1].last_transition_time) == ("B", "2026-01-01T00:00:00Z")
    changed = with_condition(again, Condition(type="Ready", status="True"), LATE)
    assert (changed[1].status, changed[1].last_transition_time) == ("True", "2026-01-02T00:00:00Z")
    assert len(changed) == 2
