"""A whole agent, and a DNS server, on a server whose objects lack or have whatever they may lack or have."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from podwire.agent.config import AgentConfig
from podwire.agent.inputs import Inputs
from podwire.agent.node_agent import Agent
from podwire.dns.config import DnsConfig
from podwire.dns.server import serve_objects
from podwire.kube import kinds
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import Kind
from podwire.pods.model import Cluster
from tests.kube.fake_server import connected
from tests.kube.generated_objects import mutants, whole
from tests.pods.cluster import RANGES
from tests.sandbox import sandboxed

SERVED = (
    kinds.NAMESPACES,
    kinds.NODES,
    kinds.PODS,
    kinds.SERVICES,
    kinds.ENDPOINT_SLICES,
    kinds.NETWORK_POLICIES,
    kinds.SERVICE_CIDRS,
)


INITIAL_END = (
    "BOOKMARK",
    {"metadata": {"resourceVersion": "5", "annotations": {"k8s.io/initial-events-end": "true"}}},
)


class StrangeServer:
    """Lists every mutant of each kind, then turns each into a whole object, into the mutant again, and deletes it."""

    def __init__(self, known: dict[str, Kind[Any]], every: int) -> None:
        self.objects = {resource: list(_named(kind, every)) for resource, kind in known.items()}
        self.whole = {resource: whole(kind, "whole") for resource, kind in known.items()}
        self.delivered = {resource: asyncio.Event() for resource in known}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        resource = request.path.rpartition("/")[2]
        if request.method != "GET" or resource not in self.objects:
            return web.json_response({"kind": "Status", "code": 404, "message": "no"}, status=404)
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": self.objects[resource]})
        response = web.StreamResponse()
        await response.prepare(request)
        events: list[tuple[str, dict[str, Any]]] = []
        if "sendInitialEvents" in request.query:
            events += [*(("ADDED", body) for body in self.objects[resource]), INITIAL_END]
        if not self.delivered[resource].is_set() or "!=" in request.query.get("fieldSelector", ""):
            events += self._events(resource)
        for kind, body in events:
            await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
        self.delivered[resource].set()
        await asyncio.Event().wait()
        return response

    def _events(self, resource: str) -> Iterable[tuple[str, dict[str, Any]]]:
        for body in self.objects[resource]:
            metadata = {**self.whole[resource]["metadata"], "name": body["metadata"]["name"], "resourceVersion": "6"}
            yield "MODIFIED", {**self.whole[resource], "metadata": metadata}
            yield "MODIFIED", {**body, "metadata": {**body["metadata"], "resourceVersion": "7"}}
            yield "DELETED", {**body, "metadata": {**body["metadata"], "resourceVersion": "8"}}
        yield "ADDED", {**self.whole[resource], "metadata": {**self.whole[resource]["metadata"], "name": "last"}}


def _named(kind: Kind[Any], every: int) -> Iterable[dict[str, Any]]:
    """Every n-th mutant, with a name of its own."""
    for number, mutant in enumerate(mutants(kind, every)):
        mutant.body["metadata"]["name"] = f"mutant-{number}"
        yield copy.deepcopy(mutant.body)


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a fault, but for objects that are skipped by name."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.exc_info or (record.levelno >= logging.ERROR and "cannot be decoded" not in record.getMessage())
    ]


@pytest.mark.parametrize("every", [13, pytest.param(1, marks=pytest.mark.long)])
@sandboxed
async def test_an_agent_becomes_ready_and_follows_every_object(every: int, caplog: pytest.LogCaptureFixture) -> None:
    server = StrangeServer({kind.resource: kind for kind in SERVED}, every)
    async with connected(server.handle) as client, asyncio.timeout(60 + 300 / every):
        config = AgentConfig(
            node="a",
            credentials=Credentials(client._credentials.server),
            cluster=Cluster(RANGES),
            service_ranges=("10.96.0.0/16",),
            folder=Path("/run/podwire"),
            healthz=(),
            metrics=(),
        )
        inputs = Inputs(client, config.node)
        agent = Agent(config, client, inputs)
        frozen = gc.get_freeze_count()
        running = asyncio.create_task(agent.run())
        inputs.peers.require()
        for informer in inputs.required:
            await informer.synced.wait()
            await server.delivered[informer.status.resource.partition(".")[0]].wait()
            await informer.wait_for(lambda informer=informer: any(key.name == "last" for key in informer.objects))  # type: ignore[misc]
        for capability in agent._capabilities:
            await capability.settle()
        assert not running.done()
        reconcilers = [one for capability in agent._capabilities for one in capability.reconcilers]
        assert {one.name: one.underivable for one in reconcilers if one.underivable} == {}
        assert {informer.status.resource: len(informer.objects) for informer in inputs.required} == dict.fromkeys(
            (informer.status.resource for informer in inputs.required), 1
        )
        await inputs.peers.informer.wait_for(lambda: {key.name for key in inputs.peers.informer.objects} <= {"last"})
        while gc.get_freeze_count() <= frozen:  # no later collection of garbage visits what a ready agent has loaded
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
    assert faults(caplog) == []


@pytest.mark.long
async def test_a_dns_server_becomes_ready_and_follows_every_object(caplog: pytest.LogCaptureFixture) -> None:
    server = StrangeServer({kind.resource: kind for kind in SERVED}, 7)
    caplog.set_level(logging.INFO)
    async with connected(server.handle) as client, asyncio.timeout(60):
        config = DnsConfig(client._credentials, addresses=(), config_map=None)
        serving = asyncio.create_task(serve_objects(client, config))
        for resource in ("services", "endpointslices", "namespaces"):
            await server.delivered[resource].wait()
        while "ready: " not in caplog.text:
            assert not serving.done()
            await asyncio.sleep(0.01)
        serving.cancel()
    assert faults(caplog) == []
