"""What is reached from outside: by Services, and by hosts of Ingresses and Gateways, as policies admit it."""

from __future__ import annotations

import msgspec

from podwire.insight.reach.exposure import Exposure
from podwire.insight.reach.report import report
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.sources.reading import read
from tests.insight.reach.scene import answer, policy, workload
from tests.insight.snapshot.written_text import snapshot

WEB = workload("shop/web")
CLOSED = policy("shop/web", "{podSelector: {}, policyTypes: [Ingress]}")


def service(spec: str) -> str:
    head = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
    return f"{head}spec: {{selector: {{app: web}}, {spec}}}\n"


def opened(*texts: str) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(one.kind, one.address, one.to, one.reached_by) for one in answer(*texts).exposures]


def test_addresses_and_node_ports_of_services() -> None:
    balanced = service(
        "type: LoadBalancer, externalIPs: [192.0.2.7], ports: [{port: 80, targetPort: 8080, nodePort: 30080}]"
    )
    to = ("shop/web:8080/TCP",)
    assert opened(WEB, balanced) == [
        ("LoadBalancer", "its address:80/TCP", to, "outside"),
        ("ExternalIP", "192.0.2.7:80/TCP", to, "outside"),
        ("NodePort", "node:30080/TCP", to, "outside"),
    ]
    assert opened(WEB, service("ports: [{port: 80}]")) == []


def test_policies_decide_who_is_admitted() -> None:
    node_port = service("type: NodePort, ports: [{port: 80, targetPort: 8080}]")
    assert opened(WEB, node_port, CLOSED)[0][3] == ""
    some = policy(
        "shop/some", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 8080}]}]}"
    )
    assert opened(WEB, node_port, CLOSED, some)[0][3] == "outside 203.0.113.0/24"
    other = policy("shop/some", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")
    assert opened(WEB, node_port, CLOSED, other)[0][3] == ""  # the port of the Service, not of the pods


def test_source_ranges_of_a_load_balancer() -> None:
    guarded = service("type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24], ports: [{port: 80}]")
    assert opened(WEB, guarded)[0][3] == "outside, in 203.0.113.0/24 only"


def by_host(*files: str) -> dict[str, Exposure]:
    return {one.address: one for one in report(snapshot_of(read(files))).exposures}


def test_hosts_of_gateways_lead_through_their_envoy() -> None:
    found = by_host("examples/gateway")
    assert found["app.example.com:443"].reached_by == "outside through podwire-system/envoy-podwire"
    assert found["*.example.com:80"].to == ()  # redirects
    assert found["vault.example.com:8443"].to == ("shop/vault:8443/TCP",)


INGRESS = """---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: podwire
  rules:
    - host: shop.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
"""


def test_hosts_of_ingresses_are_closed_by_policies_that_do_not_admit_the_envoy() -> None:
    made = service("ports: [{port: 80}]")
    assert opened(WEB, made, INGRESS)[0][3] == "outside through podwire-system/envoy-podwire-ingress"
    assert opened(WEB, made, INGRESS, CLOSED) == [("Ingress", "shop.example.com/", ("shop/web:80/TCP",), "")]
    edge = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: podwire-system}}}"
    spec = f"{{podSelector: {{}}, ingress: [{{from: [{edge}]}}]}}"
    assert opened(WEB, made, INGRESS, CLOSED, policy("shop/edge", spec))[0][3].startswith("outside through")


def test_ingresses_and_gateways_that_others_serve_are_left_out_with_a_note() -> None:
    made = service("ports: [{port: 80}]")
    traefik = INGRESS.replace("ingressClassName: podwire", "ingressClassName: traefik")
    gateway = (
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: other}\n"
        "spec: {controllerName: example.com/other}\n"
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, namespace: shop}\n"
        "spec: {gatewayClassName: other, listeners: [{name: http, port: 80, protocol: HTTP}]}\n"
    )
    found = answer(WEB, made, traefik, gateway)
    assert found.exposures == ()
    assert found.notes == (
        "left out: 1 Ingress object of class traefik, which podwire does not serve",
        "left out: 1 Gateway object of class other, which podwire does not serve",
    )


def test_a_clusters_own_classes_decide() -> None:
    made = service("ports: [{port: 80}]")
    without = INGRESS.replace("  ingressClassName: podwire\n", "")
    files = snapshot(WEB, made, without)
    assert report(files).exposures != ()
    cluster = msgspec.structs.replace(files, serves_nginx=False)
    assert report(cluster).exposures == ()
