"""Which endpoints of a node requests are sent to."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress

from envoy.config.endpoint.v3 import endpoint_pb2

from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Key
from podwire.kube.kinds import ENDPOINT_SLICES, NAMESPACES, SERVICES
from podwire.mesh.envoy.inside import LEG
from podwire.mesh.node.routing import Routing
from podwire.redirection.enrolment import ENABLED, LABEL
from tests.kube.fake_api import FakeApi

NEAR, FAR = "10.244.1.5", "10.244.2.5"


def shop(api: FakeApi) -> None:
    api.put(NAMESPACES, "shop", metadata={"labels": {LABEL: ENABLED}})
    api.put(SERVICES, "web", "shop", spec={"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]})
    endpoints = [
        {"addresses": [at], "nodeName": node, "conditions": {"ready": True}}
        for at, node in ((NEAR, "one"), (FAR, "two"))
    ]
    api.put(
        ENDPOINT_SLICES, "web-1", "shop", metadata={"labels": {"kubernetes.io/service-name": "web"}},
        addressType="IPv4", endpoints=endpoints, ports=[{"name": "http", "port": 80}],
    )  # fmt: skip
    spec = {
        "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
        "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
    }
    api.put(HTTP_ROUTES, "web", "shop", spec=spec)


def served(routing: Routing) -> str:
    """The endpoints of a change as text."""
    found = (one.body for one in routing.difference().upserts if one.key[0] == ENDPOINTS)
    return "".join(str(endpoint_pb2.ClusterLoadAssignment.FromString(body)) for body in found)


def following(routing: Routing) -> set[Key]:
    """What must be in Envoy before endpoints are."""
    return {key for one in routing.table.resources() if one.type_url == ENDPOINTS for key in one.follows}


async def test_a_pod_of_the_node_gets_requests_once_its_policies_are_known() -> None:
    api = FakeApi()
    shop(api)
    routing = Routing(api, "one", lambda: None)
    task = asyncio.create_task(routing.live.run())
    try:
        await asyncio.wait_for(routing.live.kinds_synced(), 60)
        routing.update(frozenset())
        found = served(routing)
        assert (FAR in found, NEAR in found) == (True, False)
        assert not following(routing), "pods of other nodes alone"
        routing.update(frozenset({ipaddress.ip_address(NEAR)}))
        found = served(routing)
        assert (FAR in found, NEAR in found) == (True, True)
        assert following(routing) == {(LISTENER, LEG)}, "Envoy has the policies first"
        routing.update(frozenset())
        found = served(routing)
        assert (FAR in found, NEAR in found) == (True, False)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
