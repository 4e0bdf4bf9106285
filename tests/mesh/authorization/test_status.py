"""The status of policies names field and remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from podwire.kube.services import Service
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.status import authentication_status, authorization_status, transport_status
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.kinds.authorization_policy import AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import RequestAuthentication
from podwire.mesh.kinds.transport_policy import TransportPolicy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
META = {"name": "p", "namespace": "shop", "generation": 3}


def service(*ports: dict[str, Any]) -> Service:
    spec = {"selector": {"app": "db"}, "ports": ports}
    return msgspec.convert({"metadata": {"name": "db", "namespace": "shop"}, "spec": spec}, Service)


def conditions(spec: dict[str, Any], *services: Service) -> dict[str, tuple[str, str, str]]:
    item = msgspec.convert({"metadata": META, "spec": spec}, AuthorizationPolicy)
    found = authorization_status(item, reading.read(item), services, NOW)["conditions"]
    assert {one["observedGeneration"] for one in found} == {3}
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in found}


def test_a_policy_of_connections_needs_no_requests() -> None:
    found = conditions({"rules": [{"from": [{"namespaces": ["shop"]}]}]}, service({"port": 5432}))
    assert found == {"Accepted": ("True", "Accepted", ""), "RequestsRead": ("True", "NotNeeded", "")}


def test_a_problem_names_field_and_remedy() -> None:
    found = conditions({"rules": [{"from": [{"addresses": ["x"]}]}]})
    assert found["Accepted"][:2] == ("False", "Invalid")
    assert found["Accepted"][2].startswith("spec.rules[0].from[0].addresses[0]: 'x' is not an address")


@pytest.mark.parametrize(
    ("to", "ports", "reason"),
    [
        ({"methods": ["GET"]}, {"port": 5432}, "NotHTTP"),
        ({"methods": ["GET"], "ports": [5432]}, {"port": 80, "appProtocol": "http"}, "NotHTTP"),
        ({"methods": ["GET"], "ports": [8080]}, {"port": 80, "targetPort": 8080, "appProtocol": "http"}, "Read"),
        ({"methods": ["GET"]}, {"port": 80, "name": "http-web"}, "Read"),
    ],
)
def test_rules_about_requests_on_a_port_that_is_not_http_say_so(
    to: dict[str, Any], ports: dict[str, Any], reason: str
) -> None:
    found = conditions({"rules": [{"to": [to]}], "selector": {"matchLabels": {"app": "db"}}}, service(ports))
    assert found["RequestsRead"][1] == reason
    if reason == "NotHTTP":
        assert "5432" in found["RequestsRead"][2]
        assert "appProtocol: http" in found["RequestsRead"][2]


def test_a_status_that_is_written_is_not_written_again() -> None:
    spec = {"issuers": [{"issuer": "i"}]}
    item = msgspec.convert({"metadata": META, "spec": spec}, RequestAuthentication)
    wanted = authentication_status(item, reading.read_tokens(item), NOW)
    assert wanted["conditions"][0]["message"].startswith("spec.issuers[0].jwks: exactly one")
    written = msgspec.convert({"metadata": META, "spec": spec, "status": wanted}, RequestAuthentication)
    assert authentication_status(written, reading.read_tokens(written), NOW) == {}


def transport_policy(name: str, created: str, **spec: Any) -> TransportPolicy:
    metadata = {"name": name, "namespace": "shop", "generation": 3, "creationTimestamp": created}
    return msgspec.convert({"metadata": metadata, "spec": {"mode": "STRICT", **spec}}, TransportPolicy)


def test_of_transport_policies_of_the_same_pods_the_oldest_is_accepted() -> None:
    old, new = transport_policy("z", "2026-01-01T00:00:00Z"), transport_policy("a", "2026-02-01T00:00:00Z")
    other = transport_policy("b", "2026-03-01T00:00:00Z", selector={"matchLabels": {"app": "web"}})
    policies = Transport((new, old, other))
    found = {one.metadata.name: transport_status(one, policies, NOW)["conditions"][0] for one in policies.policies}
    assert {name: (one["status"], one["reason"]) for name, one in found.items()} == {
        "z": ("True", "Accepted"),
        "a": ("False", "Conflicted"),
        "b": ("True", "Accepted"),
    }
    assert "TransportPolicy shop/z is older" in found["a"]["message"]
    assert {one["observedGeneration"] for one in found.values()} == {3}
