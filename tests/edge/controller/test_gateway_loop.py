"""The loop of the gateway controller: from objects to what the leader writes."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.edge.controller import fleets, gateway_fronts, unused_proxies
from podwire.edge.controller.fleet import PROXY_LABEL, name_of
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.kube.kinds import DEPLOYMENTS, ENDPOINT_SLICES, EVENTS, SECRETS, SERVICES
from podwire.kube.meta import NamespacedName
from tests.edge.controller.fake_gateway_api import CLASS, NAMESPACE, GatewayApi, add_envoy, at_work
from tests.edge.xds.real_envoy import until

SERVICE = f"gw-{CLASS}"
HTTP = {"name": "http", "port": 80, "protocol": "HTTP"}


def gateway(api: GatewayApi, name: str = "gw", **spec: Any) -> None:
    api.user("Gateway", name, spec={"gatewayClassName": CLASS, "listeners": [HTTP], **spec})


def route(api: GatewayApi, *parents: str, service: str = "web") -> None:
    references = [{"name": one} for one in parents]
    api.user(
        "HTTPRoute", "web", spec={"parentRefs": references, "rules": [{"backendRefs": [{"name": service, "port": 80}]}]}
    )


def is_programmed(api: GatewayApi, name: str = "gw") -> bool:
    return api.conditions("Gateway", name).get("Programmed") == "True Programmed"


async def test_a_gateway_is_programmed_when_its_envoy_has_acknowledged_and_its_address_is_there() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        await api.until(lambda: bool(api.found("Service", SERVICE)), 30)
        await api.until(lambda: api.conditions("Gateway", "gw").get("Programmed") == "False AddressNotAssigned", 30)
        api.balance(SERVICE, "192.0.2.1")
        await api.until(lambda: api.conditions("Gateway", "gw").get("Programmed") == "False Pending", 30)
        add_envoy(api)
        await api.until(lambda: is_programmed(api), 30)
        assert api.conditions("Gateway", "gw") == {
            "Accepted": "True Accepted",
            "Programmed": "True Programmed",
            "ResolvedRefs": "True ResolvedRefs",
        }
        assert api.found("Gateway", "gw")["status"]["addresses"] == [{"type": "IPAddress", "value": "192.0.2.1"}]
        slices = api.objects[ENDPOINT_SLICES.resource]
        (endpoint,) = slices[NamespacedName(NAMESPACE, f"{SERVICE}-ipv4")]["endpoints"]
        assert endpoint["addresses"] == ["10.0.0.1"]
        assert name_of(CLASS) in api.objects[DEPLOYMENTS.resource]


async def test_no_state_of_a_gateway_has_conditions_of_two_generations() -> None:
    api = GatewayApi()
    async with at_work(api):
        add_envoy(api)
        gateway(api)
        await api.until(lambda: bool(api.found("Service", SERVICE)), 30)
        api.balance(SERVICE, "192.0.2.1")
        await api.until(lambda: is_programmed(api), 30)
        for port in (81, 82, 83):
            gateway(api, listeners=[HTTP, {"name": "more", "port": port, "protocol": "HTTP"}])
        await api.until(lambda: is_programmed(api), 30)
        ports = {one["port"]: one["targetPort"] for one in api.found("Service", SERVICE)["spec"]["ports"]}
        assert set(ports) == {80, 83}
        for state in api.history(GATEWAYS):
            listeners = state.get("status", {}).get("listeners", [])
            found = [
                *state.get("status", {}).get("conditions", []),
                *(c for one in listeners for c in one["conditions"]),
            ]
            assert len({one["observedGeneration"] for one in found}) <= 1


async def test_a_gateway_that_is_not_accepted_keeps_the_service_that_it_has() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        await api.until(lambda: bool(api.found("Service", SERVICE)), 30)
        uid = api.found("Service", SERVICE)["metadata"]["uid"]
        gateway(api, addresses=[{"type": "example.com/other", "value": "x"}])
        gateway(api, "new", addresses=[{"type": "example.com/other", "value": "x"}])
        for name in ("gw", "new"):
            await api.until(
                lambda name=name: api.conditions("Gateway", name).get("Accepted") == "False UnsupportedAddress",  # type: ignore[misc]
                30,
            )
        assert api.found("Service", SERVICE)["metadata"]["uid"] == uid
        assert not api.found("Service", f"new-{CLASS}")


async def test_a_service_that_somebody_deletes_is_there_again() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        await api.until(lambda: bool(api.found("Service", SERVICE)), 30)
        uid = api.found("Service", SERVICE)["metadata"]["uid"]
        api.remove(SERVICES, NamespacedName(NAMESPACE, SERVICE))
        await api.until(lambda: api.found("Service", SERVICE).get("metadata", {}).get("uid", uid) != uid, 30)


async def test_a_given_address_of_another_family_makes_the_service_again() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        await api.until(lambda: bool(api.found("Service", SERVICE)), 30)
        spec = api.found("Service", SERVICE)["spec"]
        api.put(SERVICES, SERVICE, NAMESPACE, spec={**spec, "ipFamilies": ["IPv4"]})
        gateway(api, addresses=[{"type": "IPAddress", "value": "2001:db8::7"}])
        await api.until(lambda: api.found("Service", SERVICE).get("spec", {}).get("ipFamilies") == ["IPv6"], 30)
        assert api.found("Service", SERVICE)["spec"]["loadBalancerIP"] == "2001:db8::7"


async def test_a_route_and_the_gateways_that_count_it_follow_its_parents() -> None:
    def counts() -> list[int]:
        found = [api.found("Gateway", name).get("status", {}).get("listeners", [{}]) for name in ("gw", "other")]
        return [one[0].get("attachedRoutes", -1) for one in found]

    def parents() -> list[str]:
        entries = api.found("HTTPRoute", "web").get("status", {}).get("parents", [])
        return [one["parentRef"]["name"] for one in entries]

    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        gateway(api, "other")
        route(api, "gw")
        await api.until(lambda: counts() == [1, 0] and parents() == ["gw"], 30)
        route(api, "other")
        await api.until(lambda: counts() == [0, 1] and parents() == ["other"], 30)


async def test_a_listener_set_is_attached_and_counted_while_the_gateway_admits_it() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api, allowedListeners={"namespaces": {"from": "Same"}})
        listeners = [{"name": "more", "port": 8080, "protocol": "HTTP"}]
        api.user("ListenerSet", "set", spec={"parentRef": {"name": "gw"}, "listeners": listeners})
        await api.until(lambda: api.conditions("ListenerSet", "set").get("Accepted") == "True Accepted", 30)
        await api.until(lambda: api.found("Gateway", "gw")["status"].get("attachedListenerSets") == 1, 30)
        gateway(api, allowedListeners={})
        await api.until(lambda: api.conditions("ListenerSet", "set").get("Accepted") == "False NotAllowed", 30)
        await api.until(lambda: "attachedListenerSets" not in api.found("Gateway", "gw")["status"], 30)


async def test_a_policy_names_the_gateways_whose_routes_lead_to_its_target() -> None:
    def ancestors() -> list[str]:
        entries = api.found("BackendTLSPolicy", "tls").get("status", {}).get("ancestors", [])
        return [one["ancestorRef"]["name"] for one in entries]

    api = GatewayApi()
    validation = {"hostname": "web.example.com", "wellKnownCACertificates": "System"}
    targets = [{"group": "", "kind": "Service", "name": "web"}]
    async with at_work(api):
        gateway(api)
        api.user("Service", "web", spec={"ports": [{"port": 80}]})
        api.user("BackendTLSPolicy", "tls", spec={"targetRefs": targets, "validation": validation})
        route(api, "gw")
        await api.until(lambda: ancestors() == ["gw"], 30)
        route(api, "gw", service="apart")
        await api.until(lambda: ancestors() == [], 30)


async def test_ports_of_removed_listeners_and_gateways_are_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_fronts, "RELEASE_SECONDS", 0.01)
    api = GatewayApi()
    async with at_work(api) as loop:
        add_envoy(api)
        gateway(api, listeners=[HTTP, {"name": "more", "port": 81, "protocol": "HTTP"}])
        key = NamespacedName(NAMESPACE, "gw")

        def ports() -> set[int]:
            return {one.port for one in loop.ports(CLASS).of_gateway(key)}

        await api.until(lambda: ports() == {80, 81}, 30)
        gateway(api)
        await api.until(lambda: ports() == {80}, 30)
        api.remove(GATEWAYS, key)
        await until(lambda: not ports(), "no port is used")


async def test_envoys_of_no_gateway_end_after_a_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused_proxies, "UNUSED_SECONDS", 0.05)
    api = GatewayApi()
    ingress = name_of("podwire-ingress")
    async with at_work(api):
        api.put(DEPLOYMENTS, ingress.name, ingress.namespace, metadata={"labels": {PROXY_LABEL: "podwire-ingress"}})
        gateway(api)
        gateway(api, "other")
        await api.until(lambda: name_of(CLASS) in api.objects.get(DEPLOYMENTS.resource, {}), 30)
        api.remove(GATEWAYS, NamespacedName(NAMESPACE, "gw"))
        api.remove(GATEWAYS, NamespacedName(NAMESPACE, "other"))
        await api.until(lambda: name_of(CLASS) not in api.objects[DEPLOYMENTS.resource], 30)
        await api.until(lambda: name_of(CLASS) not in api.objects[SECRETS.resource], 30)
        assert ingress in api.objects[DEPLOYMENTS.resource]


async def test_the_secret_of_envoys_that_somebody_deletes_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "CERTIFY_SECONDS", 0.05)
    monkeypatch.setattr(gateway_fronts, "CERTIFY_SECONDS", 0.05)
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        await api.until(lambda: name_of(CLASS) in api.objects.get(DEPLOYMENTS.resource, {}), 30)
        api.remove(SECRETS, name_of(CLASS))
        await api.until(lambda: name_of(CLASS) in api.objects[SECRETS.resource], 30)


async def test_parameters_decide_the_traffic_policy_of_the_service() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        await api.until(lambda: bool(api.found("Service", SERVICE)), 30)
        assert api.found("Service", SERVICE)["spec"]["externalTrafficPolicy"] == "Cluster"
        api.user("ConfigMap", "local", data={"external-traffic-policy": "Local", "replicas": "2"})
        gateway(api, infrastructure={"parametersRef": {"group": "", "kind": "ConfigMap", "name": "local"}})
        await api.until(lambda: api.found("Service", SERVICE)["spec"]["externalTrafficPolicy"] == "Local", 30)
        own = [one for one in api.all(DEPLOYMENTS) if one["spec"]["replicas"] == 2]
        assert len(own) == 1
        assert own[0]["metadata"]["name"] != name_of(CLASS).name


async def test_a_class_has_the_features_of_the_channel_that_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    def features() -> set[str]:
        found = api.objects[GATEWAY_CLASSES.resource][NamespacedName("", CLASS)].get("status", {})
        return {one["name"] for one in found.get("supportedFeatures", [])}

    monkeypatch.setattr(gateway_fronts, "CERTIFY_SECONDS", 0.05)
    api = GatewayApi()
    async with at_work(api):
        await api.until(lambda: "HTTPRoute" in features(), 30)
        assert "HTTPRouteRetry" not in features()
        api.experimental = True
        await api.until(lambda: "HTTPRouteRetry" in features(), 30)


async def test_a_class_reports_whether_the_release_of_the_definitions_is_supported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def condition() -> str:
        found = api.objects[GATEWAY_CLASSES.resource][NamespacedName("", CLASS)].get("status", {})
        return next((one["status"] for one in found.get("conditions", []) if one["type"] == "SupportedVersion"), "")

    monkeypatch.setattr(gateway_fronts, "CERTIFY_SECONDS", 0.05)
    api = GatewayApi()
    async with at_work(api):
        await api.until(lambda: condition() == "True", 30)
        api.release = "v1.7.0"
        await api.until(lambda: condition() == "False", 30)


async def test_what_is_wrong_with_a_route_is_an_event_about_it_once() -> None:
    api = GatewayApi()
    async with at_work(api):
        gateway(api)
        route(api, "gw", service="none")
        await api.until(lambda: bool(api.objects.get(EVENTS.resource)), 30)
        gateway(api, listeners=[HTTP, {"name": "more", "port": 81, "protocol": "HTTP"}])
        await api.until(lambda: len(api.found("Gateway", "gw").get("status", {}).get("listeners", ())) == 2, 30)
        (event,) = api.objects[EVENTS.resource].values()
    assert (event["type"], event["reason"], event["involvedObject"]["kind"]) == (
        "Warning",
        "BackendNotFound",
        "HTTPRoute",
    )
    assert event["message"].startswith(f"spec.rules[0].backendRefs[0]: Service {NAMESPACE}/none does not exist")
