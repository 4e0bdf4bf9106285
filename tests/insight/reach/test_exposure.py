"""What is reached from outside: by Services, and by hosts of Ingresses and Gateways, as policies admit it."""

from __future__ import annotations

import msgspec
import pytest

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import answer as explained
from podwire.insight.connection.report import ConnectionLine
from podwire.insight.reach.exposure import Exposure
from podwire.insight.reach.report import report
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.reading import read as read_files
from tests.insight.connection import random_entries
from tests.insight.connection.test_differential import read
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
    assert opened(WEB, node_port, CLOSED, some)[0][3].startswith("outside 203.0.113.0/24;")
    other = policy("shop/some", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")
    assert opened(WEB, node_port, CLOSED, other)[0][3] == ""  # the port of the Service, not of the pods


NODE = "---\napiVersion: v1\nkind: Node\nmetadata: {name: node-NUMBER}\n"
NODE += "status: {addresses: [{type: InternalIP, address: 192.168.0.NUMBER}]}\n"
NODES = NODE.replace("NUMBER", "1") + NODE.replace("NUMBER", "2")


@pytest.mark.parametrize(
    ("block", "nodes", "policy_of_service", "words"),
    [
        ("203.0.113.0/24", NODES, "Cluster", "; through another node nobody"),
        ("192.168.0.0/24", NODES, "Cluster", "; through another node anyone"),
        ("192.168.0.2/32", NODES, "Cluster", "; through another node by its address"),
        ("203.0.113.0/24", "", "Cluster", "; through another node by its address"),
        ("203.0.113.0/24", NODES, "Local", ""),
        ("203.0.113.0/24", NODE.replace("NUMBER", "1"), "Cluster", ""),
        ("0.0.0.0/0", NODES, "Cluster", ""),
    ],
)
def test_clients_that_another_node_forwards_have_its_address(
    block: str, nodes: str, policy_of_service: str, words: str
) -> None:
    node_port = service(f"type: NodePort, externalTrafficPolicy: {policy_of_service}, ports: [{{port: 80}}]")
    some = policy("shop/some", f"{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: {block}}}}}]}}]}}")
    found = opened(WEB, node_port, some, nodes)[0][3]
    assert found.startswith("outside")
    assert found.partition(";")[1] + found.partition(";")[2] == words


def test_the_node_of_the_only_pod_forwards_nothing_to_itself() -> None:
    node_port = service("type: NodePort, ports: [{port: 80}]")
    some = policy("shop/some", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.168.0.2/32}}]}]}")
    pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n"
    pod += "spec: {nodeName: node-1, containers: [{name: web}]}\n"
    assert opened(pod, node_port, some, NODES)[0][3].endswith("; through another node anyone")


def test_source_ranges_of_a_load_balancer() -> None:
    guarded = service("type: LoadBalancer, loadBalancerSourceRanges: [203.0.113.0/24], ports: [{port: 80}]")
    assert opened(WEB, guarded)[0][3] == "outside, in 203.0.113.0/24 only"


def by_host(*files: str) -> dict[str, Exposure]:
    return {one.address: one for one in report(snapshot_of(read_files(files))).exposures}


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


@pytest.mark.parametrize("seed", range(20))
def test_explanations_agree_about_clients_that_another_node_forwards(seed: int) -> None:
    entries = random_entries.made("shop", seed, 30000)
    objects = read(entries.written())
    for one in report(objects).exposures:
        (connections, spec) = answered(objects, one.name), entries.services[one.name.rpartition("/")[2]]["spec"]
        forwarded = {line.verdict for line in connections if "through node" in line.source}
        assert (spec["externalTrafficPolicy"] == "Cluster") == bool(forwarded)
        words = one.reached_by.rpartition("; through another node ")[2]
        if words == "by its address":
            assert len(forwarded) == 2
        elif forwarded:
            assert forwarded == {Verdict.ALLOWED if words in ("anyone", "outside") else Verdict.NOT_ALLOWED}


def answered(objects: Snapshot, service: str) -> tuple[ConnectionLine, ...]:
    return explained.report("outside", service, objects).connections
