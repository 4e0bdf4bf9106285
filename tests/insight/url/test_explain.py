"""What is explained of objects of an API server: addresses, Envoys, endpoints, certificates, conditions."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from podwire.edge.controller import fleet
from podwire.edge.controller.gateway_service import GATEWAY_LABEL
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.kinds import Ingress
from podwire.insight.url.explain import explain
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import question
from podwire.insight.url.report import Report
from podwire.kube.core import Node, Pod, Secret
from podwire.kube.discovery import SERVICE_NAME_LABEL, EndpointSlice
from podwire.kube.gateway_api import CONTROLLER_NAME, PROXIES
from podwire.kube.networking import NetworkPolicy
from podwire.kube.services import Service
from podwire.pki.certificates import Authority

NOW = datetime(2026, 11, 30, tzinfo=UTC)
PAIR = Authority.create("web").server(("*.a.org",))
TYPES: dict[str, Any] = {
    **{one.kind: one.type for one in KINDS}, "Service": Service, "EndpointSlice": EndpointSlice, "Secret": Secret,
}  # fmt: skip
LISTENERS = [
    {"name": "http", "port": 80, "protocol": "HTTP"},
    {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "server"}]}},
]
PROGRAMMED = {"type": "Programmed", "status": "False", "reason": "Pending", "message": "1 Envoy of 2 lacks it"}


def pod(name: str, namespace: str, address: str, ready: bool = True, labels: dict[str, str] | None = None) -> Pod:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    value = {
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions},
    }
    return msgspec.convert(value, Pod)


def node(name: str, address: str) -> Node:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return msgspec.convert({"metadata": {"name": name}, "status": status}, Node)


class Scene:
    """A Gateway with a route to a Service of one endpoint; what differs in a test is put in their place."""

    def __init__(self) -> None:
        self.edge = Objects()
        self.envoy = pod("envoy-1", PROXIES, "10.0.1.9", labels=fleet.labels("podwire"))
        self.policies: list[dict[str, Any]] = []
        self.ingresses: tuple[Ingress, ...] = ()
        self.put("GatewayClass", "podwire", spec={"controllerName": CONTROLLER_NAME})
        self.gateway(addresses=[{"value": "192.0.2.9"}])
        ports = [{"port": 80, "targetPort": 10001}, {"port": 443, "targetPort": 10002}]
        self.put("Service", "gw-podwire", labels={GATEWAY_LABEL: "gw"}, spec={"ports": ports})
        self.put("Service", "web", spec={"ports": [{"port": 80}]})
        self.endpoints({"ready": True})
        data = {"tls.crt": PAIR.certificate, "tls.key": PAIR.key}
        self.put("Secret", "server", data={key: base64.b64encode(text).decode() for key, text in data.items()})
        rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
        self.put("HTTPRoute", "web", spec={"parentRefs": [{"name": "gw"}], "rules": rules})

    def put(self, kind: str, name: str, labels: dict[str, str] | None = None, **fields: Any) -> None:
        metadata = {"name": name, "namespace": "" if kind == "GatewayClass" else "shop", "labels": labels or {}}
        self.edge.put(kind, msgspec.convert({"metadata": metadata, **fields}, TYPES[kind]))

    def gateway(self, **status: Any) -> None:
        self.put("Gateway", "gw", spec={"gatewayClassName": "podwire", "listeners": LISTENERS}, status=status)

    def endpoints(self, *conditions: dict[str, bool]) -> None:
        found = [{"addresses": [f"10.0.1.{n}"], "conditions": one} for n, one in enumerate(conditions, 1)]
        self.put(
            "EndpointSlice",
            "web",
            {SERVICE_NAME_LABEL: "web"},
            addressType="IPv4",
            endpoints=found,
            ports=[{"port": 80}],
        )

    def policy(self, **spec: Any) -> None:
        metadata = {"name": "envoys", "namespace": PROXIES}
        self.policies.append({"metadata": metadata, "spec": {"podSelector": {}, "policyTypes": ["Ingress"], **spec}})

    def explained(self, url: str = "http://a.org/", client: str = "outside", now: datetime = NOW) -> Report:
        objects = UrlObjects(
            self.edge,
            (self.envoy, *(pod(f"web-{n}", "shop", f"10.0.1.{n}") for n in (1, 2))),
            (node("node-1", "172.16.0.1"), node("node-2", "172.16.0.2")),
            tuple(msgspec.convert(one, NetworkPolicy) for one in self.policies),
            ("203.0.113.7",),
            ingresses=self.ingresses,
            serves_nginx=True,
        )
        return explain(question(url, client), objects, now)


def reasons(report: Report) -> list[str]:
    return [one.reason for one in report.findings]


def test_a_gateway_in_order_has_no_finding() -> None:
    report = Scene().explained()
    assert (report.outcome.text, report.findings) == ("forwarded to shop/web:80", ())
    assert report.gateway is not None
    assert (report.gateway.service, report.gateway.envoys) == ("shop/gw-podwire", ("podwire-system/envoy-1 on node-1",))
    assert report.dns.addresses == ("192.0.2.9",)


def test_no_address_no_envoy_and_what_the_controller_reports_are_findings() -> None:
    scene = Scene()
    scene.gateway(conditions=[PROGRAMMED])
    scene.envoy = pod("envoy-1", PROXIES, "10.0.1.9", ready=False, labels=fleet.labels("podwire"))
    report = scene.explained()
    assert reasons(report) == ["NoAddress", "NoEnvoy", "Pending"]
    assert report.findings[-1].text.endswith("condition Programmed is False: 1 Envoy of 2 lacks it.")


def test_endpoints_that_terminate_are_used_where_no_other_is_ready() -> None:
    scene = Scene()
    scene.endpoints({"ready": False, "serving": True, "terminating": True}, {"ready": False, "serving": False})
    report = scene.explained()
    assert [(one.state, one.is_used) for one in report.backends[0].endpoints] == [
        ("terminating, serving", True),
        ("not ready", False),
    ]
    assert (report.backends[0].text, reasons(report)) == ("http1, 1 of 2 endpoints", ["OnlyTerminating"])
    scene.endpoints({"ready": False, "serving": False})
    report = scene.explained()
    assert (report.outcome.status, reasons(report)) == (503, ["NoEndpoint"])


def test_a_client_outside_comes_from_other_nodes_unless_its_address_is_kept() -> None:
    scene = Scene()
    scene.policy(ingress=[{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 10001}]}])
    masqueraded = scene.explained()
    assert [(one.source, one.is_allowed) for one in masqueraded.policies[:2]] == [
        ("outside", True),  # on the Envoy's own node its address is its own
        ("outside through node-2", False),
    ]
    assert reasons(masqueraded) == ["PolicyDenies"]
    ports = [{"port": 80, "targetPort": 10001}]
    scene.put(
        "Service", "gw-podwire", {GATEWAY_LABEL: "gw"}, spec={"ports": ports, "externalTrafficPolicy": "Local"}
    )  # fmt: skip
    kept = scene.explained()
    assert [(one.source, one.is_allowed) for one in kept.policies[:1]] == [("outside", True)]
    assert "outside through node-2" not in {one.source for one in kept.policies}
    other = scene.explained(client="198.51.100.1")
    assert other.outcome.text == "no answer: policies do not allow 198.51.100.1 -> podwire-system/envoy-1"


def test_a_certificate_for_another_name_or_past_its_time_is_a_finding() -> None:
    scene = Scene()
    assert reasons(scene.explained("https://www.a.org/")) == []
    assert reasons(scene.explained("https://a.org/")) == ["CertificateName"]
    assert reasons(scene.explained("https://x.www.a.org/")) == ["CertificateName"]
    later = NOW + timedelta(days=365 * 200)
    assert reasons(scene.explained("https://www.a.org/", now=later)) == ["CertificateExpired"]


def test_an_address_means_the_gateway_that_has_it() -> None:
    scene = Scene()
    assert scene.explained("http://192.0.2.9/").outcome.text == "forwarded to shop/web:80"
    assert reasons(scene.explained("http://192.0.2.8/")) == ["NoGateway"]
    named = scene.explained("http://gw-podwire.shop/", "shop/web-1")
    assert (named.outcome.text, named.dns.text) == ("forwarded to shop/web:80", "a name of the cluster's DNS")


def test_an_ingress_gets_the_request_where_no_gateway_does() -> None:
    scene = Scene()
    value = {"metadata": {"name": "old", "namespace": "shop"}, "spec": {"rules": [{"host": "*.b.org"}]}}
    scene.ingresses = (msgspec.convert(value, Ingress),)
    assert reasons(scene.explained("http://a.b.org/")) == ["Ingress"]
    without = scene.explained("http://b.org:81/")
    assert without.gateway is not None
    assert (reasons(without), without.gateway.kind) == (["PortNotServed"], "Gateway")
    ours = scene.explained("http://a.b.org:81/")
    assert ours.gateway is not None
    assert (reasons(ours), ours.gateway.kind) == (["PortNotServed"], "Ingresses")
