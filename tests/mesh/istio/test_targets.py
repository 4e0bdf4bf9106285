"""Policies of Istio that name targets or a provider: what becomes of them never allows more."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from podwire.mesh.istio.conversion import converted
from podwire.mesh.istio.surroundings import surroundings
from podwire.mesh.istio.written import Converted

SERVICES = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": labels},
    }
    for name, labels in (("web", {"app": "web"}), ("db", {"app": "db"}), ("all", {"tier": "back"}))
]
RULES = [{"to": [{"methods": ["GET"]}]}]
WEB_PODS = {"matchLabels": {"app": "web"}}
CLOSED = {"action": "DENY", "rules": [{}]}


def policy(spec: str, name: str = "p") -> dict[str, Any]:
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": yaml.safe_load(spec),
    }


def text(action: str, target: str = "web", rules: str = "[{to: [{operation: {methods: [GET]}}]}]") -> str:
    return f"{{action: {action}, targetRefs: [{{kind: Service, name: {target}}}], rules: {rules}}}"


def convert(value: dict[str, Any], *others: dict[str, Any]) -> Converted:
    return converted("AuthorizationPolicy", value, surroundings([*SERVICES, value, *others]))


def specs(found: Converted) -> list[dict[str, Any]]:
    return [one["spec"] for one in found.objects]


@pytest.mark.parametrize("action", ["ALLOW", "DENY"])
def test_the_pods_of_a_known_service_have_the_rules(action: str) -> None:
    found = convert(policy(text(action)))
    assert specs(found) == [{"selector": WEB_PODS, "action": action, "rules": RULES}]
    assert (found.lost, [field for field, _ in found.differs]) == ((), ["spec.targetRefs[0]"])


def test_an_unknown_target_closes_the_namespace() -> None:
    deny = convert(policy(text("DENY", "absent")))
    assert specs(deny) == [{"action": "DENY", "rules": RULES}]
    allow = convert(policy(text("ALLOW", "absent")))
    assert specs(allow) == [CLOSED]
    gateway = convert(policy("{targetRef: {kind: Gateway, group: gateway.networking.k8s.io, name: g}, rules: [{}]}"))
    assert specs(gateway) == [CLOSED]
    for found in (deny, allow, gateway):
        assert found.lost[0][0].startswith("spec.targetRef")
    assert [[field for field, _ in found.lost[1:]] for found in (deny, allow)] == [[], ["spec.rules"]]


@pytest.mark.parametrize(
    ("other", "is_closed"),
    [
        ("{}", True),
        ("{selector: {matchLabels: {app: web}}, rules: [{}]}", True),
        ("{selector: {matchLabels: {tier: back}}, rules: [{}]}", True),
        (text("ALLOW", "all"), True),
        (text("ALLOW", "absent"), True),
        ("{selector: {matchLabels: {app: db}}, rules: [{}]}", False),
        ("{action: DENY, rules: [{}]}", False),
        (text("ALLOW", "db"), False),
        (text("ALLOW", "web"), False),
    ],
)
def test_another_policy_that_allows_does_not_open_what_this_one_closes(other: str, is_closed: bool) -> None:
    (found,) = specs(convert(policy(text("ALLOW")), policy(other, "q")))
    assert (found["action"] == "DENY") is is_closed
    assert found["selector"] == WEB_PODS


def test_what_a_provider_would_decide_is_denied() -> None:
    rules = "[{to: [{operation: {paths: [/admin]}}]}]"
    found = convert(policy(f"{{action: CUSTOM, provider: {{name: x}}, rules: {rules}}}"))
    assert specs(found) == [{"action": "DENY", "rules": [{"to": [{"paths": ["/admin"]}]}]}]
    assert found.lost[0][0] == "spec.action"
    assert specs(convert(policy("{action: BLOCK}"))) == [CLOSED]


def test_a_source_of_which_nothing_is_left_makes_a_rule_that_denies_match_all() -> None:
    sources = "[{source: {remoteIpBlocks: [192.0.2.0/24]}}, {source: {namespaces: [ops]}}]"
    found = convert(policy(f"{{action: DENY, rules: [{{from: {sources}}}]}}"))
    assert specs(found) == [CLOSED]


def test_wrong_tokens_are_refused_at_the_pods_of_a_target() -> None:
    spec = {"targetRefs": [{"kind": "Service", "name": "web"}], "jwtRules": [{"issuer": "i", "jwks": "{}"}]}
    value = {"metadata": {"name": "p", "namespace": "shop"}, "spec": spec}
    (found,) = converted("RequestAuthentication", value, surroundings(SERVICES)).objects
    assert found["spec"] == {"selector": WEB_PODS, "issuers": [{"issuer": "i", "jwks": "{}"}]}
    (found,) = converted("RequestAuthentication", value, surroundings([])).objects
    assert "selector" not in found["spec"]
