"""The status of policies names field and remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from podwire.kube.services import Service
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.status import authentication_status, authorization_status
from podwire.mesh.kinds.authorization_policy import AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import RequestAuthentication

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
