"""Labels of Istio's metrics: what is known of both sides, and what is not."""

from __future__ import annotations

import ipaddress

import pytest

from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.services import Service, ServiceSpec
from podwire.mesh.model.workload import Workload
from podwire.mesh.telemetry import counted
from podwire.mesh.telemetry.labels import host, labels, reports
from podwire.mesh.telemetry.surroundings import MOST_GONE, Surroundings

WEB, DB = "10.0.1.2", "10.0.2.3"
WEB_ID, DB_ID = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/data/sa/default"
TO_DB = {"reporter": "source", "client": WEB, "client_id": WEB_ID, "server": DB, "server_id": DB_ID}


def pod(namespace: str, name: str, address: str, account: str, labels: dict[str, str]) -> Workload:
    addresses = (ipaddress.ip_address(address),)
    key = NamespacedName(namespace, name)
    return Workload(key, addresses, account, labels, enrolled=True, redirected=True)


def service(name: str, *, headless: bool = False) -> Service:
    spec = ServiceSpec(selector={"app": "db"}, cluster_ip="None" if headless else "10.96.0.1")
    return Service(metadata=ObjectMeta(name=name, namespace="data"), spec=spec)


OWN = pod("shop", "web-5d-x1", WEB, "web", {"pod-template-hash": "5d"})
PEER = pod("data", "db-0", DB, "default", {"app": "db", "statefulset.kubernetes.io/pod-name": "db-0"})


def known(*services: Service) -> Surroundings:
    made = Surroundings("cluster.local")
    made.follow((OWN,), (PEER,), services)
    return made


def test_both_sides_have_workload_namespace_and_identity() -> None:
    tags = TO_DB | {"security": "mutual_tls", "flags": "-"}
    assert labels(counted.CLOSED, tags, known(service("db"), service("db-headless", headless=True))) == {
        "reporter": "source",
        "source_workload": "web",
        "source_workload_namespace": "shop",
        "source_principal": WEB_ID,
        "destination_workload": "db",
        "destination_workload_namespace": "data",
        "destination_principal": DB_ID,
        "destination_service": "db.data.svc",
        "destination_service_name": "db",
        "destination_service_namespace": "data",
        "request_protocol": "tcp",
        "connection_security_policy": "mutual_tls",
        "response_flags": "-",
    }


def test_of_several_services_none_is_named() -> None:
    assert labels(counted.CLOSED, TO_DB, known(service("a"), service("b")))["destination_service"] == "unknown"


def test_an_address_that_is_another_pods_by_now_names_no_workload() -> None:
    other = "spiffe://cluster.local/ns/shop/sa/other"
    found = labels(counted.CLOSED, TO_DB | {"client_id": other, "security": "mutual_tls"}, known())
    assert (found["source_workload"], found["source_principal"]) == ("unknown", other)


def test_a_pod_that_has_gone_is_known_for_a_while() -> None:
    made = known()
    made.follow((), (), ())
    assert labels(counted.CLOSED, TO_DB, made)["source_workload"] == "web"
    others = [pod("shop", f"p{n}", str(ipaddress.ip_address(n)), "web", {}) for n in range(1, MOST_GONE + 1)]
    made.follow(others, (), ())
    made.follow((), (), ())
    assert labels(counted.CLOSED, TO_DB, made)["source_workload"] == "unknown"


@pytest.mark.parametrize(
    ("tags", "security", "principal"),
    [
        ({"client": WEB, "client_id": WEB_ID, "security": "mutual_tls"}, "mutual_tls", DB_ID),
        ({"client": "", "client_id": "-", "security": "mutual_tls"}, "none", "unknown"),
        ({"client": WEB, "client_id": WEB_ID, "security": "same_node"}, "same_node", DB_ID),
        ({"client": "", "security": "same_node"}, "none", "unknown"),
    ],
)
def test_a_client_without_identity_is_plain_text(tags: dict[str, str], security: str, principal: str) -> None:
    tags = {name: "" if value == "-" else value for name, value in tags.items()}
    found = labels(counted.CLOSED, {"reporter": "destination", "server": DB, **tags}, known())
    assert (found["connection_security_policy"], found["destination_principal"]) == (security, principal)


def test_a_request_has_the_service_that_its_route_has_chosen() -> None:
    tags = {"reporter": "source", "client": WEB, "service": "data/front", "server": f"envoy://mesh-leg/{DB}:5432"}
    chosen = labels(counted.REQUESTS, tags | {"backend": "data/db/80/http1", "code": "200"}, known())
    assert (chosen["destination_service_name"], chosen["destination_workload"]) == ("db", "db")
    assert (chosen["connection_security_policy"], chosen["response_code"]) == ("mutual_tls", "200")
    none = labels(counted.REQUESTS, tags | {"backend": "", "server": "", "code": "404"}, known())
    assert (none["destination_service_name"], none["destination_workload"]) == ("front", "unknown")


def test_a_connection_within_a_node_is_reported_by_both_sides() -> None:
    tags = {"reporter": "destination", "client": WEB, "client_id": WEB_ID, "server": WEB, "security": "same_node"}
    assert [one["reporter"] for one in reports(counted.OPENED, tags, known())] == ["destination", "source"]
    assert [one["reporter"] for one in reports(counted.REQUESTS, tags, known())] == ["destination"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("envoy://mesh-leg/10.0.0.1:80", "10.0.0.1"),
        ("envoy://mesh-leg/[fd00::1]:80", "fd00::1"),
        ("fd00::1", "fd00::1"),
        ("", ""),
    ],
)
def test_host(text: str, address: str) -> None:
    assert host(text) == address
