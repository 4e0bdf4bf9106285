"""Gateway API's own definitions: served by name from the start, stored by the first request that needs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podwire.apiserver.definitions import bundle
from podwire.apiserver.main import running
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.apiserver.writes.options import WriteOptions
from podwire.kube import gateway_api
from tests.apiserver.conftest import Files, Served, Talk, configuration, free_listener, until
from tests.apiserver.custom.widgets import DEFINITIONS

APPLY = "application/apply-patch+yaml"
KINDS = f"/apis/{gateway_api.GROUP}/v1"
CLASSES = f"{KINDS}/gatewayclasses"
GATEWAYS = f"{KINDS}/namespaces/default/gateways"
PROGRAM = "system:kube-controller-manager"


def gateway(name: str = "web") -> dict[str, Any]:
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    return {"metadata": {"name": name}, "spec": {"gatewayClassName": "podwire", "listeners": listeners}}


@pytest_asyncio.fixture
async def gateways(files: Files) -> AsyncIterator[Talk]:
    async with running(configuration(files, gateway_api="standard")) as server:
        yield Talk(server)


def stored(talk: Talk) -> int:
    """How many definitions of Gateway API are stored."""
    found = talk.server.store.objects("customresourcedefinitions.apiextensions.k8s.io")
    return sum("gateway" in one.object()["spec"]["group"] for one in found)


@pytest.mark.proves("gateway-api-served")
async def test_discovery_names_the_kinds_and_costs_no_definition(gateways: Talk) -> None:
    found = {one["name"]: one for one in (await gateways.ok("GET", KINDS))["resources"]}
    assert {"gateways", "gateways/status", "httproutes", "listenersets", "referencegrants"} <= found.keys()
    assert found["gateways"]["shortNames"] == ["gtw"]
    assert f"apis/{gateway_api.GROUP}/v1" in (await gateways.ok("GET", "/openapi/v3"))["paths"]
    await gateways.ok("GET", "/openapi/v3/apis/apps/v1")
    assert stored(gateways) == 0


@pytest.mark.parametrize(
    "path",
    [
        CLASSES,
        f"{CLASSES}/podwire",
        GATEWAYS,
        DEFINITIONS,
        f"{DEFINITIONS}/gateways.{gateway_api.GROUP}",
        f"/openapi/v3/apis/{gateway_api.GROUP}/v1",
        "/openapi/v2",
    ],
)
async def test_the_first_request_that_needs_them_stores_all(gateways: Talk, path: str) -> None:
    await gateways.ok("GET", path)
    assert stored(gateways) == len(bundle.names("standard"))


async def test_a_world_starts_with_its_gateway_classes(gateways: Talk) -> None:
    listed = (await gateways.ok("GET", CLASSES))["items"]
    assert {one["metadata"]["name"] for one in listed} == set(gateway_api.CLASSES)
    for one in listed:
        assert one["spec"]["controllerName"] == gateway_api.CONTROLLER_NAME
        [accepted] = one["status"]["conditions"]
        assert (accepted["type"], accepted["status"], accepted["reason"]) == ("Accepted", "Unknown", "Pending")


async def test_programs_of_the_world_follow_the_kinds_for_nothing(gateways: Talk) -> None:
    program = gateways.as_user(PROGRAM, "system:masters")
    assert (await program.ok("GET", f"{KINDS}/gateways"))["items"] == []
    assert (await program.ok("GET", DEFINITIONS))["items"] == []
    watch = await program.answer("GET", f"{KINDS}/gateways?watch=1")
    assert isinstance(watch, WatchAnswer)
    assert stored(gateways) == 0
    await gateways.ok("POST", GATEWAYS, gateway())
    assert stored(gateways) == len(bundle.names("standard"))
    watch.watcher.take()
    assert watch.watcher.finished, "it began without the schema"
    [item] = (await program.ok("GET", f"{KINDS}/gateways"))["items"]
    assert item["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}, "defaults of the schema"


async def test_requests_that_come_together_store_once(gateways: Talk) -> None:
    await asyncio.gather(*(gateways.ok("POST", GATEWAYS, gateway(f"web-{number}")) for number in range(8)))
    assert len((await gateways.ok("GET", GATEWAYS))["items"]) == 8
    [one] = [
        item
        for item in (await gateways.ok("GET", DEFINITIONS))["items"]
        if item["metadata"]["name"].startswith("gateways.")
    ]
    assert one["metadata"]["generation"] == 1


async def test_strangers_store_nothing(gateways: Talk) -> None:
    assert (await gateways.as_user("mallory").refused("GET", GATEWAYS))[0] == 403
    assert (await Talk(gateways.server, None).refused("GET", GATEWAYS))[0] in {401, 403}
    assert stored(gateways) == 0


async def test_what_a_user_deleted_stays_away(files: Files, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    async with running(configuration(files, store, gateway_api="standard")) as server:
        talk = Talk(server)
        await talk.ok("DELETE", f"{DEFINITIONS}/udproutes.{gateway_api.GROUP}")
        await talk.ok("DELETE", f"{CLASSES}/contour")
        await until(lambda: stored(talk) == len(bundle.names("standard")) - 1)
    async with running(configuration(files, store, gateway_api="standard")) as server:
        talk = Talk(server)
        assert (await talk.refused("GET", f"{KINDS}/udproutes"))[0] == 404
        assert [one["metadata"]["name"] for one in (await talk.ok("GET", CLASSES))["items"]] == ["podwire"]


async def test_a_server_that_ended_half_way_completes_them(files: Files, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    first, *_ = bundle.definitions("standard")
    async with running(configuration(files, store)) as server:
        resource = server.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        assert resource is not None
        await server._writer.create(resource, "", first, WriteOptions())
    async with running(configuration(files, store, gateway_api="standard")) as server:
        talk = Talk(server)
        assert len((await talk.ok("GET", CLASSES))["items"]) == len(gateway_api.CLASSES)
        assert stored(talk) == len(bundle.names("standard"))


@pytest.mark.parametrize(("channel", "served"), [("", False), ("standard", False), ("experimental", True)])
async def test_a_channel_has_its_own_kinds(files: Files, channel: str, served: bool) -> None:
    async with running(configuration(files, gateway_api=channel)) as server:
        code, _ = await Talk(server).response("GET", f"/apis/{gateway_api.EXPERIMENTAL_GROUP}/v1alpha1/xmeshes")
        assert code == (200 if served else 404)


@pytest.mark.proves("gateway-api-served")
async def test_kubectl_shows_and_explains_the_kinds_as_the_first_requests(files: Files) -> None:
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,), gateway_api="standard")) as server:
        served = Served(server, listener.getsockname()[1], files)
        assert "Hostnames defines a set of hostnames" in await served.kubectl("explain", "httproute.spec.hostnames")
        shown = await served.kubectl("get", "gatewayclass,gateway,httproute", "-o", "wide")
        assert [line.split()[:3] for line in shown.splitlines()[1:]] == [
            [f"gatewayclass.{gateway_api.GROUP}/{name}", gateway_api.CONTROLLER_NAME, "Unknown"]
            for name in sorted(gateway_api.CLASSES)
        ]


@pytest.mark.proves("gateway-api-served")
@pytest.mark.parametrize("channel", bundle.CHANNELS)
async def test_another_channel_is_applied_over_it_without_conflicts(gateways: Talk, channel: str) -> None:
    for body in bundle.definitions(channel):
        path = f"{DEFINITIONS}/{body['metadata']['name']}?fieldManager=kubectl"
        applied = await gateways.ok("PATCH", path, body, content_type=APPLY)
        assert not [one for one in applied["status"]["conditions"] if one["type"].endswith("RulesNotEvaluated")]
    await gateways.ok("POST", GATEWAYS, gateway())


def test_a_bundle_has_the_groups_of_all_its_kinds() -> None:
    """A write to a kind of another group would find no schema."""
    for one in (bundle.of_policies(), bundle.of_podwire(), bundle.of_gateways("standard")):
        assert one.groups >= {found.spec.group for found in bundle.names(one.channel, one.folder)}, one.folder
