"""Objects of policies: what they mean, and what is closed where they cannot be read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.kube.meta import NamespacedName
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.decision import connection_decision, request_decision
from podwire.mesh.authorization.model import Action, Connection, Request
from podwire.mesh.kinds.authorization_policy import AuthorizationPolicy, closed_policy
from podwire.mesh.kinds.request_authentication import RequestAuthentication

ANYBODY = Connection("10.1.0.1", 8080)
WEB = Connection("10.1.0.1", 8080, "spiffe://cluster.local/ns/shop/sa/web")


def read(action: str, *rules: dict[str, Any]) -> reading.Read:
    value = {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"action": action, "rules": rules}}
    return reading.read(msgspec.convert(value, AuthorizationPolicy))


def allowed(found: reading.Read, connection: Connection, request: Request | None = None) -> bool:
    if request is None:
        return connection_decision((found.policy,), connection, reads_requests=False).allowed
    return request_decision((found.policy,), connection, request).allowed


def test_a_policy_without_rules_allows_nothing() -> None:
    assert not allowed(read("ALLOW"), WEB)
    assert allowed(read("DENY"), WEB)
    assert allowed(read("ALLOW", {}), ANYBODY)


def test_an_identity_is_namespace_and_service_account() -> None:
    found = read("ALLOW", {"from": [{"identities": ["shop/web"]}]})
    assert found.problems == ()
    assert allowed(found, WEB)
    assert not allowed(found, ANYBODY)
    for other in ("ns/shop-x/sa/web", "ns/x/sa/shop/sa/web", "ns/shop/sa/web2"):
        assert not allowed(found, Connection("10.1.0.1", 8080, f"spiffe://cluster.local/{other}"))


def test_all_fields_of_a_rule_are_read() -> None:
    found = read(
        "ALLOW",
        {
            "from": [{"namespaces": ["shop"], "addresses": ["10.1.0.0/16"], "tokens": [{"subject": "ann"}]}],
            "to": [{"ports": [8080], "methods": ["GET"], "paths": ["/a/*"], "hosts": ["a.test"]}],
            "when": [{"header": "X-Role", "values": ["admin"]}, {"claim": ["groups"], "notValues": ["guest"]}],
        },
    )
    assert found.problems == ()
    claims: dict[str, object] = {"iss": "i", "sub": "ann", "groups": ["dev"]}
    good = Request("GET", "/a/b", "a.test:80", (("x-role", "admin"),), claims)
    assert allowed(found, WEB, good)
    for changed in (
        {"method": "POST"}, {"path": "/b"}, {"host": "b.test"}, {"headers": ()}, {"claims": None},
        {"claims": {**claims, "groups": ["guest"]}}, {"headers": (("x-role", "admin"), ("x-role", "x"))},
    ):  # fmt: skip
        assert not allowed(found, WEB, msgspec.structs.replace(good, **changed)), changed
    assert not allowed(found, Connection("10.2.0.1", 8080, WEB.identity), good)
    assert not allowed(found, Connection("10.1.0.1", 80, WEB.identity), good)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"from": [{"addresses": ["10.0.0.0/40"]}]}, "spec.rules[0].from[0].addresses[0]: '10.0.0.0/40' is not an address"),
    ({"from": [{"identities": ["web"]}]}, "spec.rules[0].from[0].identities[0]: 'web' is not NAMESPACE/SERVICEACCOUNT"),
    ({"from": [{"identities": ["shop/*"]}]}, "use namespaces: [shop]"),
    ({"to": [{"ports": [0]}]}, "spec.rules[0].to[0].ports[0]: 0 is not a port"),
    ({"to": [{"paths": ["/a/../b"]}]}, "spec.rules[0].to[0].paths[0]: path '/a/../b' is not normalised"),
    ({"when": [{"header": "x"}]}, "spec.rules[0].when[0]: values or notValues are needed"),
    ({"when": [{"values": ["x"]}]}, "spec.rules[0].when[0]: exactly one of header and claim"),
    ({"when": [{"header": ":path", "values": ["x"]}]}, "spec.rules[0].when[0].header: :path is no header"),
    ({"when": [{"header": "x", "values": ["a,b"]}]}, "has a comma"),
]


@pytest.mark.parametrize(("rule", "problem"), WRONG)
def test_what_cannot_be_read_allows_nothing_and_denies_everything(rule: dict[str, Any], problem: str) -> None:
    found = read("ALLOW", rule)
    assert problem in reading.problems_text(found.problems)
    assert not allowed(found, WEB)
    assert not allowed(read("DENY", rule), WEB)


def test_an_action_that_is_not_known_denies_everything() -> None:
    found = read("LET", {})
    assert not allowed(found, WEB)
    assert "spec.action" in found.problems[0]


def test_a_policy_that_cannot_be_decoded_denies_everything() -> None:
    found = reading.read(closed_policy(NamespacedName("shop", "p")))
    assert found.policy.action is Action.DENY
    assert not allowed(found, WEB)


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ({"jwks": "{}"}, "issuer: it is needed"),
        ({"issuer": "i"}, "exactly one of jwks and jwksUri"),
        ({"issuer": "i", "jwks": "x"}, "no JSON object with keys"),
        ({"issuer": "i", "jwksUri": "file:///etc/passwd"}, "no URL of http or https"),
    ],
)
def test_an_issuer_that_cannot_be_read_has_no_keys(issuer: dict[str, Any], problem: str) -> None:
    value = {"metadata": {"name": "t", "namespace": "shop"}, "spec": {"issuers": [issuer]}}
    found = reading.read_tokens(msgspec.convert(value, RequestAuthentication))
    assert problem in found.problems[0]
    assert (found.policy.issuers[0].keys, found.policy.issuers[0].keys_url) == ("", "")
