"""Each rule of an HTTPRoute's translation, with what it permits and what it refuses."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.edge.gateway.http_routes import Translated, at_port, translated
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.kinds.reference_grant import ReferenceGrant
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.backends import Transport
from podwire.edge.model.filters import (
    Cors,
    ExternalAuth,
    Header,
    HeaderChanges,
    Mirror,
    Redirect,
    Retry,
    Rewrite,
    Timeouts,
)
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Forward, RedirectTo
from podwire.kube.services import Service

PORTS = [
    {"port": 80, "name": "http"},
    {"port": 81, "name": "h2c", "appProtocol": "kubernetes.io/h2c"},
    {"port": 82, "name": "ws", "appProtocol": "kubernetes.io/ws"},
    {"port": 83, "name": "mysql", "appProtocol": "mysql"},
    {"port": 84, "name": "dns", "protocol": "UDP"},
]


def service(name: str, namespace: str = "shop", **spec: Any) -> Service:
    """Return a Service with a port of each protocol."""
    return msgspec.convert(
        {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": PORTS, **spec}}, Service
    )


def objects(*grants: dict[str, Any]) -> Objects:
    """Return Services web and db of namespace shop and web of namespace other, and these grants of the latter."""
    found = Objects()
    for one in (service("web"), service("db"), service("web", "other"), service("out", type="ExternalName")):
        found.put("Service", one)
    for number, spec in enumerate(grants):
        value = {"metadata": {"name": f"grant-{number}", "namespace": "other"}, "spec": spec}
        found.put("ReferenceGrant", msgspec.convert(value, ReferenceGrant))
    return found


def of(*rules: dict[str, Any], known: Objects | None = None) -> Translated:
    """Return the translation of a route of namespace shop with these rules."""
    route = {"metadata": {"name": "route", "namespace": "shop"}, "spec": {"rules": list(rules)}}
    return translated(msgspec.convert(route, HTTPRoute), known or objects())


def forwards(**rule: Any) -> Forward:
    """Return the action of the only match of a rule."""
    found = of({"backendRefs": [{"name": "web", "port": 80}], **rule})
    assert not found.unsupported
    action = found.routes[0].action
    assert isinstance(action, Forward)
    return action


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, Match()),
        ({"path": {"type": "Exact", "value": "/a"}}, Match(PathMatch(PathType.EXACT, "/a"))),
        ({"path": {"type": "PathPrefix", "value": "/a/"}}, Match(PathMatch(PathType.PREFIX, "/a"))),
        ({"path": {"type": "Exact", "value": "/a/"}}, Match(PathMatch(PathType.EXACT, "/a/"))),
        ({"path": {"type": "RegularExpression", "value": "/a.*"}}, Match(PathMatch(PathType.REGEX, "/a.*"))),
        ({"method": "POST"}, Match(method="POST")),
        (
            {"headers": [{"name": "X-One", "value": "1"}, {"name": "x-one", "value": "2"}]},
            Match(headers=(ValueMatch("x-one", ValueType.EXACT, "1"),)),
        ),
        (
            {"queryParams": [{"name": "a", "value": "1"}, {"name": "A", "value": "2", "type": "RegularExpression"}]},
            Match(query=(ValueMatch("a", ValueType.EXACT, "1"), ValueMatch("A", ValueType.REGEX, "2"))),
        ),
    ],
)
def test_match(match: dict[str, Any], expected: Match) -> None:
    assert of({"matches": [match]}).routes[0].match == expected


def test_without_matches_a_rule_is_for_all_requests() -> None:
    assert [one.match for one in of({}).routes] == [Match()]


def test_each_match_of_a_rule_is_a_route() -> None:
    found = of({"matches": [{"method": "GET"}, {"method": "PUT"}]}, {"name": "second"})
    assert [(one.name.rule, one.name.match, one.name.rule_name) for one in found.routes] == [
        (0, 0, ""),
        (0, 1, ""),
        (1, 0, "second"),
    ]


def test_weights_keep_their_shares() -> None:
    refs = [{"name": "web", "port": 80, "weight": 70}, {"name": "db", "port": 81}, {"name": "no", "port": 80}]
    found = of({"backendRefs": refs})
    assert isinstance(found.routes[0].action, Forward)
    shares = found.routes[0].action.backends
    assert [(one.cluster, one.weight) for one in shares] == [("shop/web/80/http1", 70), ("shop/db/81/h2c", 1), ("", 1)]
    assert shares[2].problem == found.unresolved[0].message
    assert [one.name for one in found.clusters] == ["shop/web/80/http1", "shop/db/81/h2c"]


@pytest.mark.parametrize(
    ("reference", "reason", "remedy"),
    [
        ({"name": "web", "port": 80, "kind": "Pod"}, "InvalidKind", "refer to a Service"),
        ({"name": "web", "port": 80, "namespace": "other"}, "RefNotPermitted", "ReferenceGrant in namespace other"),
        ({"name": "no", "port": 80}, "BackendNotFound", "create it"),
        ({"name": "web", "port": 99}, "BackendNotFound", "its ports are 80"),
        ({"name": "web"}, "BackendNotFound", "its ports are 80"),
        ({"name": "out", "port": 80}, "BackendNotFound", "ExternalName"),
        ({"name": "web", "port": 83}, "UnsupportedProtocol", "appProtocol"),
        ({"name": "web", "port": 84}, "UnsupportedProtocol", "needs TCP"),
    ],
)
def test_unresolved_backend(reference: dict[str, Any], reason: str, remedy: str) -> None:
    found = of({"backendRefs": [reference]})
    assert [one.reason for one in found.unresolved] == [reason]
    assert found.unresolved[0].message.startswith("spec.rules[0].backendRefs[0]")
    assert remedy in found.unresolved[0].message
    assert not found.clusters
    assert not found.unsupported


@pytest.mark.parametrize(("port", "transport"), [(80, Transport.HTTP1), (81, Transport.H2C), (82, Transport.HTTP1)])
def test_protocol_of_a_backend(port: int, transport: Transport) -> None:
    found = of({"backendRefs": [{"name": "web", "port": port}]})
    assert [one.transport for one in found.clusters] == [transport]
    assert not found.unresolved


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "is_permitted"),
    [
        ("HTTPRoute", "shop", "web", True),
        ("HTTPRoute", "shop", None, True),
        ("HTTPRoute", "shop", "db", False),
        ("HTTPRoute", "elsewhere", "web", False),
        ("GRPCRoute", "shop", "web", False),
    ],
)
def test_grant(kind: str, namespace: str, name: str | None, is_permitted: bool) -> None:
    grant = {
        "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": namespace}],
        "to": [{"group": "", "kind": "Service", "name": name}],
    }
    found = of({"backendRefs": [{"name": "web", "port": 80, "namespace": "other"}]}, known=objects(grant))
    assert bool(found.clusters) is is_permitted
    assert [one.reason for one in found.unresolved] == ([] if is_permitted else ["RefNotPermitted"])


def test_header_filters() -> None:
    changes = {"set": [{"name": "A", "value": "1"}], "add": [{"name": "B", "value": "2"}], "remove": ["C"]}
    found = of(
        {
            "filters": [
                {"type": "RequestHeaderModifier", "requestHeaderModifier": changes},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["D"]}},
            ]
        }
    ).routes[0]
    assert found.request_headers == HeaderChanges((Header("A", "1"),), (Header("B", "2"),), ("C",))
    assert found.response_headers == HeaderChanges(remove=("D",))


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        ({}, Redirect(port=8080)),
        ({"scheme": "https"}, Redirect(scheme="https", port=443)),
        ({"scheme": "http"}, Redirect(scheme="http", port=80)),
        ({"scheme": "https", "port": 8443}, Redirect(scheme="https", port=8443)),
        ({"hostname": "a.org", "statusCode": 308}, Redirect(hostname="a.org", port=8080, status=308)),
        ({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}, Redirect(port=8080, full_path="/x")),
        ({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": ""}}, Redirect(port=8080, prefix="")),
    ],
)
def test_redirect(redirect: dict[str, Any], expected: Redirect) -> None:
    found = of({"filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]})
    assert at_port(found.routes[0], 8080).action == RedirectTo(expected)


def test_rewrite() -> None:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "a.org", "path": path}}
    assert forwards(filters=[rewrite]).rewrite == Rewrite("a.org", None, "/x")


@pytest.mark.parametrize("kind", ["Exact", "RegularExpression"])
def test_prefix_is_replaced_only_where_one_matches(kind: str) -> None:
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/x"}
    rule = {
        "matches": [{"path": {"type": kind, "value": "/a"}}],
        "filters": [{"type": "URLRewrite", "urlRewrite": {"path": path}}],
    }
    found = of(rule, {})
    assert (found.unsupported_reason, found.routes) == ("UnsupportedValue", ())
    assert "spec.rules[0]" in found.unsupported


def test_rewrite_and_redirect_exclude_each_other() -> None:
    filters = [
        {"type": "URLRewrite", "urlRewrite": {"hostname": "a.org"}},
        {"type": "RequestRedirect", "requestRedirect": {"hostname": "b.org"}},
    ]
    found = of({"filters": filters}, {})
    assert (found.unsupported_reason, found.routes) == ("IncompatibleFilters", ())


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ({}, Mirror("shop/db/80/http1")),
        ({"percent": 0}, Mirror("shop/db/80/http1", 0)),
        ({"percent": 20}, Mirror("shop/db/80/http1", 20)),
        ({"fraction": {"numerator": 1, "denominator": 1000}}, Mirror("shop/db/80/http1", 1, 1000)),
    ],
)
def test_mirror(share: dict[str, Any], expected: Mirror) -> None:
    mirror = {"backendRef": {"name": "db", "port": 80}, **share}
    assert forwards(filters=[{"type": "RequestMirror", "requestMirror": mirror}]).mirrors == (expected,)


def test_mirror_that_is_not_resolved_is_left_out() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "no", "port": 80}}}
    found = of({"filters": [mirror], "backendRefs": [{"name": "web", "port": 80}]})
    assert isinstance(found.routes[0].action, Forward)
    assert not found.routes[0].action.mirrors
    assert [one.reason for one in found.unresolved] == ["BackendNotFound"]


def test_cors() -> None:
    cors = {"allowOrigins": ["https://a.org"], "allowCredentials": True, "allowMethods": ["GET"]}
    found = of({"filters": [{"type": "CORS", "cors": cors}]}).routes[0]
    assert found.cors == Cors(("https://a.org",), ("GET",), credentials=True, max_age=5)


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        ({"request": "1m30s", "backendRequest": "500ms"}, Timeouts(90.0, 0.5)),
        ({"request": "0s"}, Timeouts(0.0, 0.0)),
        ({"request": "10"}, Timeouts(0.0, 0.0)),
    ],
)
def test_timeouts(timeouts: dict[str, Any], expected: Timeouts) -> None:
    assert forwards(timeouts=timeouts).timeouts == expected


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        ({"attempts": 3, "codes": [500, 503], "backoff": "100ms"}, Retry(3, (500, 503), 0.1)),
        ({}, Retry(1)),
        ({"attempts": 0}, None),
    ],
)
def test_retry(retry: dict[str, Any], expected: Retry | None) -> None:
    assert forwards(retry=retry).retry == expected


def test_session_has_a_cluster_of_its_own() -> None:
    found = forwards(sessionPersistence={"sessionName": "s", "absoluteTimeout": "1h"})
    assert found.session is not None
    assert (found.session.kind, found.session.name, found.session.absolute_timeout) == ("Cookie", "s", 3600.0)
    assert found.backends[0].cluster == "shop/web/80/http1/sticky"


@pytest.mark.parametrize(("kind", "is_served"), [("Cookie", True), ("Header", False)])
def test_only_a_cookie_ends_a_session(kind: str, is_served: bool) -> None:
    found = of({"sessionPersistence": {"type": kind, "absoluteTimeout": "1h"}})
    assert bool(found.routes) is is_served
    assert ("absoluteTimeout is not supported for type Header" in found.unsupported) is not is_served


def test_rule_that_is_not_supported_is_dropped() -> None:
    found = of({"filters": [{"type": "ExtensionRef"}]}, {"name": "good"})
    assert [one.name.rule_name for one in found.routes] == ["good"]
    assert found.dropped.startswith("Dropped Rule: spec.rules[0].filters[0].type")
    assert not found.unsupported


def test_route_without_any_supported_rule_is_refused() -> None:
    found = of({"filters": [{"type": "ExtensionRef"}]})
    assert (found.unsupported_reason, found.routes, found.dropped) == ("UnsupportedValue", (), "")


@pytest.mark.parametrize(
    ("expression", "is_supported"),
    [
        ("/a/[0-9]{1,3}(?:/b)?", True),
        ("(?i)/a", True),
        ("(?P<name>a)+", True),
        ("a{1000}", True),
        ("a(?=b)", False),
        ("(?<!a)b", False),
        (r"(a)\1", False),
        ("a++", False),
        (r"\*+[*+]+", True),
        (r"\\\\1", True),
        (r"[\1]", False),
        (r"\u0041", False),
        ("(?x)a", False),
        ("(a", False),
        ("(a{100}){100}", False),
        ("a{1001}", False),
    ],
)
def test_expression_that_a_proxy_refuses_drops_its_rule_only(expression: str, is_supported: bool) -> None:
    path = {"path": {"type": "RegularExpression", "value": expression}}
    header = {"headers": [{"name": "a", "type": "RegularExpression", "value": expression}]}
    for match in (path, header):
        found = of({"matches": [match]}, {"name": "good"})
        assert [one.name.rule_name for one in found.routes] == (["", "good"] if is_supported else ["good"])
        assert bool(found.dropped) is not is_supported


@pytest.mark.parametrize(("value", "is_supported"), [("a b\tc", True), ("a\nb", False), ("a\x00", False)])
def test_value_with_control_characters_drops_its_rule(value: str, is_supported: bool) -> None:
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "A", "value": value}]}}]
    assert bool(of({"filters": filters}).routes) is is_supported


@pytest.mark.parametrize(
    ("path", "is_supported"), [(None, True), ({"type": "ReplaceFullPath", "replaceFullPath": "/x"}, False)]
)
def test_rewrite_of_one_backend_is_of_its_hostname(path: dict[str, Any] | None, is_supported: bool) -> None:
    rewrite = {"type": "URLRewrite", "urlRewrite": {"hostname": "a.org", "path": path}}
    found = of({"backendRefs": [{"name": "web", "port": 80, "filters": [rewrite]}]})
    assert bool(found.routes) is is_supported
    assert ("spec.rules[0].backendRefs[0].filters" in found.unsupported) is not is_supported


def test_external_authorization() -> None:
    auth = {"protocol": "HTTP", "backendRef": {"name": "db", "port": 80}, "http": {"path": "/check"}}
    found = of({"filters": [{"type": "ExternalAuth", "externalAuth": {**auth, "forwardBody": {"maxSize": 9}}}]})
    assert found.routes[0].auth == ExternalAuth("shop/db/80/http1", "HTTP", "/check", max_body=9)
    assert [one.name for one in found.clusters] == ["shop/db/80/http1"]


def test_external_authorization_over_grpc_speaks_http2() -> None:
    auth = {"protocol": "GRPC", "backendRef": {"name": "db", "port": 80}}
    found = of({"filters": [{"type": "ExternalAuth", "externalAuth": auth}]})
    assert [one.name for one in found.clusters] == ["shop/db/80/h2c"]


def test_external_authorization_without_its_service_is_kept() -> None:
    auth = {"protocol": "GRPC", "backendRef": {"name": "no", "port": 80}}
    found = of({"filters": [{"type": "ExternalAuth", "externalAuth": auth}]})
    assert found.routes[0].auth == ExternalAuth("", "GRPC")
    assert [one.reason for one in found.unresolved] == ["BackendNotFound"]
