"""What a name of a command means, and what it says where it means nothing or several things."""

from __future__ import annotations

import pytest

from podwire.insight.snapshot import names
from podwire.insight.snapshot.ends import EndError, EndKind
from tests.insight.snapshot.written_text import snapshot

DEPLOYMENT = "apiVersion: apps/v1\nkind: KIND\nmetadata: {name: NAME, namespace: SPACE}\nspec: {template: {}}\n---\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: NAME, namespace: SPACE}\nspec: {clusterIP: ADDRESS}\n---\n"


def made(text: str, name: str, space: str, kind: str = "Deployment", address: str = "") -> str:
    return text.replace("NAME", name).replace("SPACE", space).replace("KIND", kind).replace("ADDRESS", address or "''")


OBJECTS = snapshot(
    made(DEPLOYMENT, "web", "shop")
    + made(SERVICE, "web", "shop", address="10.96.0.7")
    + made(DEPLOYMENT, "web", "test")
    + made(DEPLOYMENT, "db", "shop")
    + made(DEPLOYMENT, "db", "shop", "StatefulSet")
    + made(DEPLOYMENT, "only", "test")
    + "apiVersion: v1\nkind: Node\nmetadata: {name: node-1}\n"
    + "status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}\n---\n"
    + "apiVersion: v1\nkind: Pod\nmetadata: {name: bare, namespace: shop}\nstatus: {podIP: 10.244.0.9}\n"
)


def meaning(text: str, *, is_client: bool, namespace: str = "") -> str:
    found = names.resolve(text, OBJECTS, namespace, is_client=is_client)
    if found.service is not None:
        return f"Service {found.service.key}"
    if found.node is not None:
        return f"Node {found.node.metadata.name}"
    if found.workloads:
        return ", ".join(str(one.owner) for one in found.workloads)
    return f"{found.kind} {found.host or found.address or ''}".strip()


@pytest.mark.parametrize(
    ("text", "as_client", "as_server"),
    [
        ("shop/web", "Deployment shop/web", "Service shop/web"),
        ("test/web", "Deployment test/web", "Deployment test/web"),
        ("only", "Deployment test/only", "Deployment test/only"),
        ("deploy/only", "Deployment test/only", "Deployment test/only"),
        ("shop/deploy/web", "Deployment shop/web", "Deployment shop/web"),
        ("shop/svc/web", "Service shop/web", "Service shop/web"),
        ("shop/sts/db", "StatefulSet shop/db", "StatefulSet shop/db"),
        ("shop/bare", "Pod shop/bare", "Pod shop/bare"),
        ("pod/bare", "Pod shop/bare", "Pod shop/bare"),
        ("10.244.0.9", "Pod shop/bare", "Pod shop/bare"),
        ("10.96.0.7", "Service shop/web", "Service shop/web"),
        ("web.shop", "Service shop/web", "Service shop/web"),
        ("web.shop.svc.cluster.local.", "Service shop/web", "Service shop/web"),
        ("node-1", "Node node-1", "Node node-1"),
        ("node/node-1", "Node node-1", "Node node-1"),
        ("192.168.0.1", "Node node-1", "Node node-1"),
        ("203.0.113.5", "address 203.0.113.5", "address 203.0.113.5"),
        ("2001:db8::1", "address 2001:db8::1", "address 2001:db8::1"),
        ("outside", "outside", "outside"),
        ("app.example.com", "host name app.example.com", "host name app.example.com"),
    ],
)
def test_a_name_means_one_thing(text: str, as_client: str, as_server: str) -> None:
    assert (meaning(text, is_client=True), meaning(text, is_client=False)) == (as_client, as_server)


def test_a_name_alone_is_first_that_of_the_namespace() -> None:
    assert meaning("web", is_client=True, namespace="test") == "Deployment test/web"
    assert meaning("web", is_client=False, namespace="shop") == "Service shop/web"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("web", "web means several: write shop/deployment/web or test/deployment/web"),
        ("shop/db", "shop/db means several: write shop/deployment/db or shop/statefulset/db"),
        ("shop/wed", "shop/wed: nothing has this name; there is shop/web, "),
        ("shap/web", "shap/web: namespace shap: nothing has this name; there is shop"),
        ("nothing", "nothing: nothing has this name; there is "),
        ("wep.shop.svc", "wep.shop.svc: nothing has this name; there is web.shop"),
        ("a/b/c/d", "a/b/c/d: write NAME, NAMESPACE/NAME, KIND/NAME or NAMESPACE/KIND/NAME"),
    ],
)
def test_a_name_of_nothing_or_of_several_things_is_an_error_with_names(text: str, error: str) -> None:
    with pytest.raises(EndError) as raised:
        names.resolve(text, OBJECTS, is_client=True)
    assert str(raised.value).startswith(error)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("shop/web:80", ("shop/web", "80/TCP")),
        ("shop/web:http", ("shop/web", "http/TCP")),
        ("10.0.0.1:53/udp", ("10.0.0.1", "53/UDP")),
        ("[fd00::1]:80", ("fd00::1", "80/TCP")),
        ("[fd00::1]", ("fd00::1", "None")),
        ("fd00::1", ("fd00::1", "None")),
        ("shop/web", ("shop/web", "None")),
        ("10.0.0.0/8:53/udp", ("10.0.0.0/8", "53/UDP")),
        ("fd00::/56", ("fd00::/56", "None")),
        ("[fd00::/56]:80", ("fd00::/56", "80/TCP")),
        ("shop/web (1 of 3 pods)", ("shop/web", "None")),
        ("shop/web (1 of 3 pods):80", ("shop/web", "80/TCP")),
    ],
)
def test_a_port_follows_a_colon(text: str, parts: tuple[str, str]) -> None:
    name, port = names.split_port(text)
    assert (name, str(port)) == parts


@pytest.mark.parametrize("text", ["web:0", "web:65536", "web:80/ICMP", "web:", "web:80/"])
def test_what_is_no_port_is_an_error(text: str) -> None:
    with pytest.raises(EndError):
        names.split_port(text)


DATABASE = snapshot("""
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 2
  ordinals: {start: 1}
  serviceName: peers
  template: {metadata: {labels: {app: db}}}
---
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, selector: {app: db}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}}
---
apiVersion: v1
kind: Pod
metadata: {name: extra, namespace: shop, labels: {app: db}}
spec: {hostname: odd, subdomain: peers}
""")


@pytest.mark.parametrize(
    ("text", "pod"),
    [
        ("db-1.peers", "db-1"),
        ("DB-2.peers.shop.", "db-2"),
        ("db-2.peers.shop.svc.cluster.local", "db-2"),
        ("db-2", "db-2"),
        ("shop/db-2", "db-2"),
        ("odd.peers.shop.svc", "extra"),
    ],
)
def test_pods_of_a_headless_service_have_names(text: str, pod: str) -> None:
    found = names.resolve(text, DATABASE, "shop", is_client=False)
    assert found.kind is EndKind.PODS
    assert found.pod is not None
    assert found.pod.name == pod


@pytest.mark.parametrize("text", ["db-0.peers", "db-3.peers.shop", "extra.peers.shop.svc", "db-1.db.shop.svc", "db-0"])
def test_names_that_no_pod_of_a_headless_service_has(text: str) -> None:
    with pytest.raises(EndError, match="nothing has this name"):
        names.resolve(text, DATABASE, "shop", is_client=False)


def test_names_of_other_namespaces_are_those_of_hosts_outside() -> None:
    assert names.resolve("db-1.peers", DATABASE, "test", is_client=False).kind is EndKind.HOST
    assert names.resolve("db-1.peers.com", DATABASE, "shop", is_client=False).kind is EndKind.HOST


@pytest.mark.parametrize("text", ["999.1.1.1", "10.0.0"])
def test_a_number_is_no_top_level_domain(text: str) -> None:
    with pytest.raises(EndError, match=f"{text}: is no IP address"):
        names.resolve(text, OBJECTS, is_client=False)
    assert names.resolve(f"{text}.example", OBJECTS, is_client=False).kind is EndKind.HOST
