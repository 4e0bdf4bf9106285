"""Istio's objects as objects of this mesh: what they mean is what the written ones mean, and nothing becomes open."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.decision import connection_decision, request_decision
from podwire.mesh.authorization.model import Connection, Policy, Request
from podwire.mesh.istio.conversion import CLOSES, converted
from podwire.mesh.istio.field import Support
from podwire.mesh.istio.table import KINDS, TABLE, written_fields
from podwire.mesh.istio.written import Converted
from podwire.mesh.kinds.authorization_policy import AuthorizationPolicy
from podwire.mesh.kinds.backend_policy import BackendPolicy
from podwire.mesh.kinds.request_authentication import RequestAuthentication

WEB = Connection("10.1.0.1", 8080, "spiffe://cluster.local/ns/shop/sa/web")
OTHER = Connection("10.2.0.1", 8080, "spiffe://cluster.local/ns/ops/sa/web")
NOBODY = Connection("10.1.0.1", 8080)


def convert(kind: str, spec: str) -> Converted:
    value = {"metadata": {"name": "p", "namespace": "shop"}, "spec": yaml.safe_load(spec)}
    return converted(kind, value)


def policy(kind: str, spec: str) -> Policy:
    found = convert(kind, spec)
    assert found.lost == ()
    (one,) = found.objects
    read = reading.read(msgspec.convert(one, AuthorizationPolicy))
    assert read.problems == ()
    return read.policy


def passes(one: Policy, connection: Connection, **request: Any) -> bool:
    if request:
        return request_decision((one,), connection, Request(**request)).allowed
    return connection_decision((one,), connection, reads_requests=False).allowed


def test_an_authorization_policy_means_the_same() -> None:
    found = policy(
        "AuthorizationPolicy",
        """
        selector: {matchLabels: {app: api}}
        action: ALLOW
        rules:
        - from:
          - source: {principals: [cluster.local/ns/shop/sa/web], notIpBlocks: [10.9.0.0/16]}
          - source: {namespaces: [ops], requestPrincipals: ["https://id.test/*"]}
          to:
          - operation: {methods: [GET], paths: ["/info*"], ports: ["8080"]}
          when:
          - {key: "request.headers[x-env]", values: [prod]}
          - {key: "request.auth.claims[realm][roles]", notValues: [guest]}
        """,
    )
    assert found.selector.match_labels == {"app": "api"}
    good = {"method": "GET", "path": "/information", "headers": (("x-env", "prod"),)}
    claims = {"iss": "https://id.test", "sub": "ann"}
    assert passes(found, WEB, **good)
    assert not passes(found, WEB, **{**good, "method": "POST"})
    assert not passes(found, WEB, **{**good, "headers": ()})
    assert not passes(found, WEB, **{**good, "claims": {"realm": {"roles": ["guest"]}}})
    assert not passes(found, OTHER, **good)
    assert passes(found, OTHER, **good, claims=claims)
    assert not passes(found, Connection("10.9.0.1", 8080, WEB.identity), **good)
    assert not passes(found, NOBODY, **good)


def test_conditions_on_sources_and_ports_hold_for_all_of_a_rule() -> None:
    found = policy(
        "AuthorizationPolicy",
        """
        rules:
        - when:
          - {key: source.namespace, values: [shop]}
          - {key: source.ip, notValues: [10.3.0.0/16]}
          - {key: destination.port, values: ["8080"]}
        """,
    )
    assert passes(found, WEB)
    assert not passes(found, OTHER)
    assert not passes(found, Connection("10.3.0.1", 8080, WEB.identity))
    assert not passes(found, Connection("10.1.0.1", 80, WEB.identity))


def test_what_cannot_be_said_opens_nothing() -> None:
    rules = "rules: [{from: [{source: {remoteIpBlocks: [1.2.3.0/24], namespaces: [shop]}}]}]"
    allow = convert("AuthorizationPolicy", f"{{action: ALLOW, {rules}}}")
    assert allow.lost[0][0] == "spec.rules[0].from[0].source.remoteIpBlocks"
    read = reading.read(msgspec.convert(allow.objects[0], AuthorizationPolicy))
    assert not passes(read.policy, WEB)
    deny = convert("AuthorizationPolicy", f"{{action: DENY, {rules}}}")
    read = reading.read(msgspec.convert(deny.objects[0], AuthorizationPolicy))
    assert not passes(read.policy, WEB)


def test_strict_denies_who_has_no_identity() -> None:
    everything = policy("PeerAuthentication", "mtls: {mode: STRICT}")
    assert passes(everything, OTHER)
    assert not passes(everything, NOBODY)
    but_one = policy("PeerAuthentication", "{mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: PERMISSIVE}}}")
    assert passes(but_one, NOBODY)
    assert not passes(but_one, Connection("10.1.0.1", 80))
    one = policy("PeerAuthentication", "portLevelMtls: {8080: {mode: STRICT}}")
    assert not passes(one, NOBODY)
    assert passes(one, Connection("10.1.0.1", 80))
    assert convert("PeerAuthentication", "mtls: {mode: PERMISSIVE}") == Converted()
    assert convert("PeerAuthentication", "mtls: {mode: DISABLE}").lost


def test_a_request_authentication_has_the_same_issuers() -> None:
    found = convert(
        "RequestAuthentication",
        """
        jwtRules:
        - {issuer: "https://id.test", jwksUri: "https://id.test/keys", audiences: [api], forwardOriginalToken: true}
        """,
    )
    item = msgspec.convert(found.objects[0], RequestAuthentication)
    read = reading.read_tokens(item)
    assert read.problems == ()
    (one,) = read.policy.issuers
    assert (one.issuer, one.keys_url, one.audiences, one.forward) == (
        "https://id.test", "https://id.test/keys", ("api",), True,
    )  # fmt: skip
    assert convert("RequestAuthentication", "jwtRules: [{issuer: i}]").lost


def test_a_virtual_service_is_a_route_of_its_services() -> None:
    found = convert(
        "VirtualService",
        """
        hosts: [web, api.example.com]
        http:
        - match: [{uri: {prefix: /v2/}, headers: {x-user: {exact: ann}}}, {uri: {exact: /x}}]
          route:
          - {destination: {host: web-v2.shop.svc.cluster.local, port: {number: 80}}, weight: 90}
          - {destination: {host: web, port: {number: 80}}, weight: 10}
          timeout: 2s
          retries: {attempts: 3, perTryTimeout: 1s}
        """,
    )
    route = msgspec.convert(found.objects[0], HTTPRoute)
    assert [one.name for one in route.spec.parent_refs] == ["web"]
    (rule,) = route.spec.rules
    assert [(one.name, one.weight) for one in rule.backend_refs] == [("web-v2", 90), ("web", 10)]
    assert [field for field, _ in found.lost] == ["spec.hosts[1]"]
    assert found.objects[0]["spec"]["rules"][0]["matches"][0]["path"] == {"type": "PathPrefix", "value": "/v2"}


def test_a_destination_rule_is_a_policy_of_its_service() -> None:
    found = convert(
        "DestinationRule",
        """
        host: web
        trafficPolicy:
          connectionPool: {tcp: {maxConnections: 10}, http: {http2MaxRequests: 100}}
          outlierDetection: {consecutive5xxErrors: 3, interval: 0.5s}
        """,
    )
    policy = msgspec.convert(found.objects[0], BackendPolicy)
    assert [str(one) for one in policy.services] == ["shop/web"]
    assert policy.spec.circuit_breaker is not None
    assert (policy.spec.circuit_breaker.max_connections, policy.spec.circuit_breaker.max_requests) == (10, 100)
    assert policy.spec.outlier_detection is not None
    assert policy.spec.outlier_detection.consecutive_errors == 3
    assert policy.spec.outlier_detection.interval == "500ms"


def test_an_object_of_another_form_says_so_and_opens_nothing() -> None:
    for kind in KINDS:
        found = converted(kind, {"metadata": {"name": "p"}, "spec": ["x"]})
        closed = [{"action": "DENY", "rules": [{}]}] if kind in CLOSES else []
        assert ([one["spec"] for one in found.objects], bool(found.lost)) == (closed, True)


def test_each_field_has_a_row_and_each_row_a_reason() -> None:
    assert [one for one in TABLE if one.support is not Support.EXACT and not one.note] == []
    assert len({(one.kind, one.path) for one in TABLE}) == len(TABLE)
    value = {"spec": {"http": [{"timeout": "1s", "strange": 1}], "hosts": ["a"]}}
    found = {row.path: row.support for _, row in written_fields("VirtualService", value)}
    assert found == {
        "spec.http[].timeout": Support.EXACT, "spec.http[].strange": Support.REFUSED, "spec.hosts": Support.DIFFERS,
    }  # fmt: skip
