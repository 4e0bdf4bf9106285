"""What the leader writes into routes on Services and their policies, on an API server in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from podwire.edge.gateway.kinds.backend_tls_policy import BACKEND_TLS_POLICIES
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.edge.gateway.owners import Owner
from podwire.kube.gateway_api import CONTROLLER_NAME, MESH_CONTROLLER_NAME
from podwire.kube.kinds import CONFIG_MAPS, EVENTS, NAMESPACES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.mesh.controller.node_reports import NodeReports
from podwire.mesh.controller.route_statuses import RouteStatuses
from podwire.mesh.identity.exchange import Refusal, Requests
from podwire.mesh.kinds.backend_policy import BACKEND_POLICIES
from podwire.pki import authorities
from tests.kube.fake_api import FakeApi

SHOP = "shop"
GATEWAY_ENTRY = {
    "parentRef": {"name": "edge"},
    "controllerName": CONTROLLER_NAME,
    "conditions": [
        {
            "type": "Accepted",
            "status": "True",
            "reason": "Accepted",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}


def enroll(api: FakeApi, labels: dict[str, str]) -> None:
    api.put(NAMESPACES, SHOP, "", metadata={"labels": labels})


def service(api: FakeApi, name: str = "web") -> None:
    api.put(SERVICES, name, SHOP, spec={"clusterIP": "10.0.0.1", "ports": [{"port": 80}]})


def route(api: FakeApi, generation: int, *parents: dict[str, Any], backend: str = "web", **fields: Any) -> None:
    references = [{"group": "", "kind": "Service", "name": "web", **one} for one in parents]
    rules = [{"backendRefs": [{"name": backend, "port": 80}]}]
    metadata = {"generation": generation}
    api.put(HTTP_ROUTES, "web", SHOP, metadata=metadata, spec={"parentRefs": references, "rules": rules}, **fields)


def entries(api: FakeApi) -> dict[str, dict[str, str]]:
    """Return status and reason of each condition, by port of the reference or the controller of another entry."""
    item = api.objects.get(HTTP_ROUTES.resource, {}).get(NamespacedName(SHOP, "web"), {})
    found = {}
    for one in item.get("status", {}).get("parents", []):
        name = str(one["parentRef"].get("port", "all")) if one["controllerName"] == MESH_CONTROLLER_NAME else "other"
        found[name] = {each["type"]: f"{each['status']} {each['reason']}" for each in one["conditions"]}
    return found


@contextlib.asynccontextmanager
async def at_work(api: FakeApi, reports: NodeReports | None = None) -> AsyncIterator[RouteStatuses]:
    recorder = Recorder(api, "mesh-controller")
    statuses = RouteStatuses(api, recorder, reports or NodeReports())
    tasks = [asyncio.create_task(statuses.live.run())]
    try:
        async with asyncio.timeout(60):
            await statuses.live.synced()
        tasks += [asyncio.create_task(one) for one in (statuses.follow(), statuses.lead(), recorder.run())]
        yield statuses
    finally:
        for task in tasks:
            task.cancel()
        for failure in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure


def events(api: FakeApi) -> set[str]:
    return {one["reason"] for one in api.objects.get(EVENTS.resource, {}).values()}


GOOD = {"Accepted": "True Accepted", "ResolvedRefs": "True ResolvedRefs"}


async def test_each_reference_to_a_service_has_an_entry_beside_those_of_gateways() -> None:
    api = FakeApi()
    enroll(api, {"podwire.dev/mesh": "enabled"})
    service(api)
    route(api, 1, {"port": 80}, {"port": 99}, status={"parents": [GATEWAY_ENTRY]})
    async with at_work(api):
        refused = {"Accepted": "False NoMatchingParent", "ResolvedRefs": "True ResolvedRefs"}
        expected = {"other": {"Accepted": "True Accepted"}, "80": GOOD, "99": refused}
        await api.until(lambda: entries(api) == expected, 60)
        await api.until(lambda: "NoMatchingParent" in events(api), 60)


async def test_a_backend_that_comes_and_a_namespace_that_leaves_the_mesh_are_followed() -> None:
    api = FakeApi()
    enroll(api, {"podwire.dev/mesh": "enabled"})
    service(api)
    route(api, 1, {}, backend="db", status={"parents": [GATEWAY_ENTRY]})
    async with at_work(api):
        unresolved = {"Accepted": "True Accepted", "ResolvedRefs": "False BackendNotFound"}
        await api.until(lambda: entries(api).get("all") == unresolved, 60)
        service(api, "db")
        await api.until(lambda: entries(api).get("all") == GOOD, 60)
        enroll(api, {})
        await api.until(lambda: entries(api) == {"other": {"Accepted": "True Accepted"}}, 60)


async def test_a_policy_says_whether_it_is_in_force() -> None:
    api = FakeApi()
    enroll(api, {"podwire.dev/mesh": "enabled"})
    spec = {"targetRefs": [{"name": "web"}], "circuitBreaker": {"maxRequests": 1}}
    api.put(BACKEND_POLICIES, "p", SHOP, metadata={"generation": 1}, spec=spec)

    def accepted() -> str:
        item = api.objects[BACKEND_POLICIES.resource][NamespacedName(SHOP, "p")]
        found = item.get("status", {}).get("conditions", [])
        return found[0]["reason"] if found else ""

    async with at_work(api):
        await api.until(lambda: accepted() == "TargetNotFound", 60)
        service(api)
        await api.until(lambda: accepted() == "Accepted", 60)


async def test_what_an_envoy_refuses_is_a_condition_of_the_object_while_it_does() -> None:
    api, reports = FakeApi(), NodeReports()
    enroll(api, {"podwire.dev/mesh": "enabled"})
    service(api)
    route(api, 1, {})
    spec = {"targetRefs": [{"name": "web"}], "circuitBreaker": {"maxRequests": 1}}
    api.put(BACKEND_POLICIES, "p", SHOP, metadata={"generation": 1}, spec=spec)

    def of_policy() -> list[str]:
        item = api.objects[BACKEND_POLICIES.resource][NamespacedName(SHOP, "p")]
        return [one["reason"] for one in item.get("status", {}).get("conditions", [])]

    async with at_work(api, reports):
        await api.until(lambda: entries(api).get("all") == GOOD and of_policy() == ["Accepted"], 60)
        refusals = tuple(Refusal(kind, SHOP, "web", "no regex") for kind in ("HTTPRoute", "Service"))
        reports.take("n1", Requests(refusals=refusals))
        await api.until(lambda: entries(api).get("all", {})["Accepted"] == "False UnsupportedValue", 60)
        assert "Envoy of node n1 refuses it: no regex" in messages(api)
        await api.until(lambda: of_policy() == ["Invalid"], 60)
        await api.until(lambda: "UnsupportedValue" in events(api), 60)
    async with at_work(api, reports := NodeReports()) as later:  # another leader
        reports.take("n2", Requests())
        reports.reports(("n1", "n2"), "")
        await later._handle(Owner("HTTPRoute", SHOP, "web"))
        await later._handle(Owner(BACKEND_POLICIES.kind, SHOP, "p"))
        assert "Envoy of node n1 refuses it: no regex" in messages(api), "the node has not reported yet"
        assert of_policy() == ["Invalid"]
        reports.take("n1", Requests())
        await api.until(lambda: entries(api).get("all") == GOOD and of_policy() == ["Accepted"], 60)


async def test_what_the_envoy_of_a_node_refused_that_is_gone_is_forgotten() -> None:
    api, reports = FakeApi(), NodeReports()
    enroll(api, {"podwire.dev/mesh": "enabled"})
    service(api)
    route(api, 1, {})
    async with at_work(api, reports):
        reports.take("n1", Requests(refusals=(Refusal("HTTPRoute", SHOP, "web", "no regex"),)))
        await api.until(lambda: entries(api).get("all", {}).get("Accepted") == "False UnsupportedValue", 60)
        reports.reports((), "")
        await api.until(lambda: entries(api).get("all") == GOOD, 60)


def messages(api: FakeApi) -> str:
    item = api.objects[HTTP_ROUTES.resource][NamespacedName(SHOP, "web")]
    parents = item.get("status", {}).get("parents", [])
    return " ".join(each["message"] for one in parents for each in one["conditions"])


async def test_authorities_of_a_config_map_are_not_supported_and_the_route_says_so() -> None:
    api = FakeApi()
    enroll(api, {"podwire.dev/mesh": "enabled"})
    service(api)
    route(api, 1, {})
    root = authorities.create_root("any", datetime.now(UTC), timedelta(days=1))
    api.put(CONFIG_MAPS, "ca", SHOP, data={"ca.crt": root.certificate.decode()})

    def policy(**validation: Any) -> None:
        targets = [{"group": "", "kind": "Service", "name": "web"}]
        spec = {"targetRefs": targets, "validation": {"hostname": "web.org", **validation}}
        api.put(BACKEND_TLS_POLICIES, "tls", SHOP, spec=spec)

    policy(caCertificateRefs=[{"group": "", "kind": "ConfigMap", "name": "ca"}])
    async with at_work(api):
        refused = {"Accepted": "True Accepted", "ResolvedRefs": "False InvalidCACertificateRef"}
        await api.until(lambda: entries(api).get("all") == refused, 60)
        assert "BackendTLSPolicy shop/tls: spec.validation.caCertificateRefs[0]: " in messages(api)
        assert "not supported" in messages(api)
        assert "does not exist" not in messages(api)
        policy(wellKnownCACertificates="System")
        await api.until(lambda: entries(api).get("all") == GOOD, 60)
