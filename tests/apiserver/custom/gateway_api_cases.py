"""Specs of Gateway API's kinds that all rules allow, and one change for each rule that it refuses.

A change is a list of (path, value): a path names fields and positions, `+` appends, ABSENT removes the field. The text
is a part of the rule's message in github.com/kubernetes-sigs/gateway-api `config/crd` v1.6.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

Object = dict[str, Any]
ABSENT = object()


class Case(NamedTuple):
    """A change of a kind's good spec, and the rule that refuses it; `channel` where only one has the rule."""

    kind: str
    message: str
    changes: tuple[tuple[str, Any], ...]
    channel: str = ""


PARENTS = [{"name": "web", "sectionName": "http"}, {"name": "web", "sectionName": "https"}, {"name": "other"}]
BACKEND = {"name": "app", "port": 80, "weight": 9}
HEADERS = {"set": [{"name": "X-Team", "value": "a"}]}
ROUTE: Object = {
    "parentRefs": PARENTS,
    "rules": [{"name": "one", "backendRefs": [BACKEND, {**BACKEND, "name": "app-2"}]}],
}
MIRROR = {"backendRef": {"name": "copy", "port": 80}, "fraction": {"numerator": 1, "denominator": 4}}
FILTERS: dict[str, tuple[str, Object]] = {
    "RequestHeaderModifier": ("requestHeaderModifier", HEADERS),
    "ResponseHeaderModifier": ("responseHeaderModifier", HEADERS),
    "RequestMirror": ("requestMirror", MIRROR),
    "ExtensionRef": ("extensionRef", {"group": "example.com", "kind": "Filter", "name": "a"}),
    "CORS": ("cors", {"allowOrigins": ["https://a.example.com"], "allowMethods": ["*"], "allowHeaders": ["a", "b"]}),
    "URLRewrite": ("urlRewrite", {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}),
    "ExternalAuth": ("externalAuth", {"protocol": "HTTP", "backendRef": {"name": "auth", "port": 80}, "http": {}}),
    "RequestRedirect": ("requestRedirect", {"scheme": "https"}),
}
GRPC_FILTERS = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "ExtensionRef")
EXPERIMENTAL = "experimental"


def filters(*types: str) -> list[Object]:
    return [{"type": one, FILTERS[one][0]: FILTERS[one][1]} for one in types]


SESSION = {"type": "Cookie", "absoluteTimeout": "1h", "cookieConfig": {"lifetimeType": "Permanent"}}
SAN = [{"type": "Hostname", "hostname": "a.example.com"}, {"type": "URI", "uri": "spiffe://a/b"}]
AUTHORITY = {"group": "", "kind": "ConfigMap", "name": "ca"}
TLS = {"mode": "Terminate", "certificateRefs": [{"name": "cert"}]}
LISTENERS = [
    {"name": "http", "port": 80, "protocol": "HTTP"},
    {"name": "https", "port": 443, "protocol": "HTTPS", "hostname": "a.example.com", "tls": TLS},
    {"name": "tls", "port": 8443, "protocol": "TLS", "tls": {"mode": "Passthrough"}},
    {"name": "tcp", "port": 9000, "protocol": "TCP"},
]
GOOD: dict[str, Object] = {
    "GatewayClass": {"controllerName": "podwire.io/gateway-controller"},
    "Gateway": {
        "gatewayClassName": "podwire",
        "listeners": LISTENERS,
        "addresses": [{"type": "IPAddress", "value": "10.0.0.1"}, {"type": "Hostname", "value": "*.a.example.com"}],
        "infrastructure": {"labels": {"example.com/team": "a"}, "annotations": {"team": "a"}},
        "tls": {
            "frontend": {
                "default": {"validation": {"caCertificateRefs": [AUTHORITY]}},
                "perPort": [
                    {"port": port, "tls": {"validation": {"caCertificateRefs": [AUTHORITY]}}} for port in (443, 8443)
                ],
            }
        },
    },
    "ListenerSet": {"parentRef": {"name": "web"}, "listeners": LISTENERS},
    "HTTPRoute": {
        **ROUTE,
        "rules": [
            {
                "name": "one",
                "matches": [{"path": {"type": "PathPrefix", "value": "/old%20"}}],
                "filters": filters(*(one for one in FILTERS if one != "RequestRedirect")),
                "backendRefs": [{**BACKEND, "filters": filters(*(o for o in FILTERS if o != "RequestRedirect"))}],
                "timeouts": {"request": "2s", "backendRequest": "1s"},
                "sessionPersistence": SESSION,
            },
            {"name": "two", "filters": filters("RequestRedirect")},
        ],
    },
    "GRPCRoute": {
        **ROUTE,
        "rules": [
            {
                "name": "one",
                "matches": [{"method": {"service": "a.B", "method": "Get"}}],
                "filters": filters(*GRPC_FILTERS),
                "backendRefs": [{**BACKEND, "filters": filters(*GRPC_FILTERS)}],
                "sessionPersistence": SESSION,
            },
            {"name": "two", "backendRefs": [BACKEND]},
        ],
    },
    "TLSRoute": {**ROUTE, "hostnames": ["a.example.com", "*.example.com"]},
    "TCPRoute": ROUTE,
    "UDPRoute": ROUTE,
    "BackendTLSPolicy": {
        "targetRefs": [{"group": "", "kind": "Service", "name": "app", "sectionName": part} for part in ("a", "b")],
        "validation": {"caCertificateRefs": [AUTHORITY], "hostname": "app.example.com", "subjectAltNames": SAN},
    },
    "XMesh": {"controllerName": "podwire.io/mesh"},
    "XBackend": {
        "type": "ExternalHostname",
        "externalHostname": {"hostname": "a.example.com"},
        "port": {"port": 443, "name": "https"},
        "protocol": "HTTP",
        "tls": {
            "mode": "ClientAndServer",
            "clientCertificateRef": {"name": "cert"},
            "validation": {"caCertificateRefs": [AUTHORITY], "hostname": "a.example.com", "subjectAltNames": SAN},
        },
    },
    "XBackendTrafficPolicy": {
        "targetRefs": [{"group": "", "kind": "Service", "name": "app"}],
        "retryConstraint": {
            "budget": {"percent": 20, "interval": "10s"},
            "minRetryRate": {"count": 10, "interval": "1s"},
        },
        "sessionPersistence": SESSION,
    },
}


def good(kind: str, channel: str) -> Object:
    """A spec that all rules of a channel allow."""
    spec = deepcopy(GOOD[kind])
    if (kind, channel) == ("HTTPRoute", "standard"):
        rule = spec["rules"][0]
        for filtered in (rule, rule["backendRefs"][0]):
            filtered["filters"].pop()  # ExternalAuth
    return spec


def cases() -> Iterator[Case]:
    """One case for each rule of each kind."""
    yield from _gateways()
    yield from _routes()
    yield from _http()
    yield from _paths()
    yield from _grpc()
    yield from _policies()
    yield from _backends()


def _gateways() -> Iterator[Case]:
    address = {"type": "IPAddress", "value": "10.0.0.1"}
    yield Case("Gateway", "IPAddress values must be unique", (("addresses.+", address),))
    host = {"type": "Hostname", "value": "*.a.example.com"}
    yield Case("Gateway", "Hostname values must be unique", (("addresses.+", host),))
    yield Case("Gateway", "Hostname value must be empty or contain", (("addresses.1.value", "a_b"),))
    for part in ("labels", "annotations"):
        prefix = "infrastructure." + part
        word = part.removesuffix("s").capitalize()
        yield Case("Gateway", f"{word} keys must be in the form", ((prefix, {"a b": "c"}),))
        yield Case("Gateway", f"the {word.lower()} key's prefix must be", ((prefix, {"a" * 253 + "/b": "c"}),))
    yield Case("Gateway", "Port for TLS configuration must be unique", (("tls.frontend.perPort.1.port", 443),))
    for kind in ("Gateway", "ListenerSet"):
        yield Case(kind, "tls must not be specified for protocols", (("listeners.0.tls", TLS),))
        yield Case(kind, "tls mode must be Terminate for protocol HTTPS", (("listeners.1.tls.mode", "Passthrough"),))
        yield Case(kind, "tls mode must be set for protocol TLS", (("listeners.2.tls", ABSENT),))
        yield Case(kind, "hostname must not be specified for protocols", (("listeners.3.hostname", "a.example.com"),))
        yield Case(kind, "Listener name must be unique", (("listeners.3.name", "http"),))
        yield Case(
            kind, "Combination of port, protocol and hostname", (("listeners.3", {**LISTENERS[0], "name": "b"}),)
        )
        yield Case(kind, "certificateRefs or options must be", (("listeners.1.tls.certificateRefs", []),))


def _routes() -> Iterator[Case]:
    twice = (("parentRefs.2", {"name": "web"}),)
    same = (("parentRefs.2", {"name": "web", "sectionName": "http"}),)
    for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"):
        yield Case(kind, "sectionName must be specified when parentRefs", twice, "standard")
        yield Case(kind, "sectionName must be unique when parentRefs", same, "standard")
        yield Case(kind, "sectionName or port must be specified when", twice, EXPERIMENTAL)
        yield Case(kind, "sectionName or port must be unique when", same, EXPERIMENTAL)
        yield Case(kind, "Must have port for Service reference", (("rules.0.backendRefs.0.port", ABSENT),))
        if kind in {"HTTPRoute", "GRPCRoute"}:
            yield Case(kind, "Rule name must be unique", (("rules.1.name", "one"),), EXPERIMENTAL)
    yield Case("TLSRoute", "Hostnames cannot contain an IP", (("hostnames.0", "10.0.0.1"),))
    yield Case("TLSRoute", "Hostnames must be valid based on RFC-1123", (("hostnames.0", "a_b.example.com"),))
    yield Case("TLSRoute", "Wildcards on hostnames must be the first label", (("hostnames.1", "a.*.example.com"),))


def _filters(kind: str, types: tuple[str, ...]) -> Iterator[Case]:
    for place in ("rules.0", "rules.0.backendRefs.0"):
        for position, name in enumerate(types):
            field, value = FILTERS[name]
            channel = EXPERIMENTAL if name == "ExternalAuth" else ""
            target = f"{place}.filters.{position}"
            other = "RequestMirror" if name != "RequestMirror" else "ExtensionRef"
            yield Case(kind, f"filter.{field} must be nil", ((f"{target}.type", other),), channel)
            yield Case(kind, f"filter.{field} must be specified", ((f"{target}.{field}", ABSENT),), channel)
            if name not in {"RequestMirror", "ExtensionRef", "ExternalAuth"}:
                twice = ((f"{place}.filters.+", {"type": name, field: value}),)
                yield Case(kind, f"{name} filter cannot be repeated", twice)
        mirror = f"{place}.filters.{types.index('RequestMirror')}.requestMirror"
        yield Case(kind, "Only one of percent or fraction", ((f"{mirror}.percent", 5),))
        yield Case(kind, "numerator must be less than or equal", ((f"{mirror}.fraction.numerator", 5),))
    session = "rules.0.sessionPersistence"
    yield Case(kind, "AbsoluteTimeout must be specified", ((f"{session}.absoluteTimeout", ABSENT),), EXPERIMENTAL)
    yield Case(kind, "cookieConfig can only be set with type Cookie", ((f"{session}.type", "Header"),), EXPERIMENTAL)


def _http() -> Iterator[Case]:
    kind, types = "HTTPRoute", tuple(one for one in FILTERS if one != "RequestRedirect")
    yield from _filters(kind, types)
    yield Case(kind, "filter.requestRedirect must be nil", (("rules.1.filters.0.type", "CORS"),))
    yield Case(kind, "filter.requestRedirect must be specified", (("rules.1.filters.0.requestRedirect", ABSENT),))
    twice = (("rules.1.filters", filters("RequestRedirect", "RequestRedirect")),)
    yield Case(kind, "RequestRedirect filter cannot be repeated", twice)
    both = (("rules.1.filters", filters("RequestRedirect", "URLRewrite")),)
    yield Case(kind, "May specify either httpRouteFilterRequestRedirect", both)
    yield Case(kind, "RequestRedirect filter must not be used together", (("rules.1.backendRefs", [BACKEND]),))
    matches = [{"path": {"value": f"/{number}"}} for number in range(64)]
    many = (("rules.1.matches", matches), ("rules.+", {"backendRefs": [BACKEND], "matches": matches}))
    yield Case(kind, "the total number of matches", many)
    redirect = {"type": "RequestRedirect", "requestRedirect": FILTERS["URLRewrite"][1]}
    exact = {"matches": [{"path": {"type": "Exact", "value": "/a"}}]}
    inner = {"backendRefs": [{**BACKEND, "filters": [redirect]}]}
    yield Case(kind, "When using RequestRedirect filter", (("rules.1", {**exact, "filters": [redirect]}),))
    yield Case(kind, "When using URLRewrite filter", (("rules.1", {**exact, "filters": filters("URLRewrite")}),))
    yield Case(kind, "Within backendRefs, when using RequestRedirect", (("rules.1", {**exact, **inner}),))
    inner = {"backendRefs": [{**BACKEND, "filters": filters("URLRewrite")}]}
    yield Case(kind, "Within backendRefs, When using URLRewrite", (("rules.1", {**exact, **inner}),))
    cors = f"rules.0.filters.{types.index('CORS')}.cors"
    for field, name in (
        ("allowHeaders", "AllowHeaders"),
        ("allowMethods", "AllowMethods"),
        ("allowOrigins", "AllowOrigins"),
    ):
        values = ["*", "GET" if field == "allowMethods" else "https://a.example.com"]
        yield Case(kind, f"{name} cannot contain '*'", ((f"{cors}.{field}", values),))
    yield Case(kind, "backendRequest timeout cannot be longer", (("rules.0.timeouts.backendRequest", "3s"),))
    auth = f"rules.0.filters.{types.index('ExternalAuth')}.externalAuth"
    for field, other in (("http", "grpc"), ("grpc", "http")):
        given = ((f"{auth}.protocol", field.upper()), (f"{auth}.http", ABSENT))
        yield Case(kind, f"{field} must be specified when protocol", given, EXPERIMENTAL)
        given = ((f"{auth}.protocol", other.upper()), (f"{auth}.{field}", {}))
        yield Case(kind, f"protocol must be '{field.upper()}' when", given, EXPERIMENTAL)


def _paths() -> Iterator[Case]:
    kind = "HTTPRoute"
    for text, value in (
        ("value must be an absolute path", "a"),
        ("must not contain '//'", "/a//b"),
        ("must not contain '/./'", "/a/./b"),
        ("must not contain '/../'", "/a/../b"),
        ("must not contain '%2f'", "/a%2fb"),
        ("must not contain '%2F'", "/a%2Fb"),
        ("must not contain '#'", "/a#b"),
        ("must not end with '/..'", "/a/.."),
        ("must not end with '/.'", "/a/."),
        ("must only contain valid characters", "/a b"),
    ):
        yield Case(kind, text, (("rules.0.matches.0.path.value", value),))
    for field, name in (("requestRedirect", "RequestRedirect"), ("urlRewrite", "URLRewrite")):
        for given, other in (("replaceFullPath", "ReplacePrefixMatch"), ("replacePrefixMatch", "ReplaceFullPath")):
            wrong = {"type": name, field: {"path": {"type": other, given: "/a"}}}
            change = (("rules.1.filters", [wrong]),)
            missing = "replacePrefixMatch" if given == "replaceFullPath" else "replaceFullPath"
            yield Case(kind, f"{missing} must be specified when type", change)
            yield Case(kind, f"when {given} is set", change)


def _grpc() -> Iterator[Case]:
    kind, method = "GRPCRoute", "rules.0.matches.0.method"
    yield from _filters(kind, GRPC_FILTERS)
    matches = [{"method": {"service": f"a.B{number}"}} for number in range(64)]
    many = (("rules.1.matches", matches), ("rules.+", {"backendRefs": [BACKEND], "matches": matches}))
    yield Case(kind, "the total number of matches", many)
    neither = ((f"{method}.service", ABSENT), (f"{method}.method", ABSENT))
    yield Case(kind, "One or both of 'service' or 'method'", neither)
    yield Case(kind, "service must only contain valid characters", ((f"{method}.service", "a-b"),))
    yield Case(kind, "method must only contain valid characters", ((f"{method}.method", "a.b"),))


def _validation(kind: str, place: str) -> Iterator[Case]:
    both = ((f"{place}.wellKnownCACertificates", "System"),)
    yield Case(kind, "must not contain both CACertificateRefs", both)
    yield Case(kind, "must specify either CACertificateRefs", ((f"{place}.caCertificateRefs", []),))
    names = f"{place}.subjectAltNames"
    yield Case(kind, "element must contain Hostname", ((f"{names}.0.hostname", ABSENT),))
    yield Case(kind, "element must not contain Hostname", ((f"{names}.1.hostname", "a.example.com"),))
    yield Case(kind, "element must contain URI", ((f"{names}.1.uri", ABSENT),))
    yield Case(kind, "element must not contain URI", ((f"{names}.0.uri", "spiffe://a/b"),))


def _policies() -> Iterator[Case]:
    kind = "BackendTLSPolicy"
    yield from _validation(kind, "validation")
    yield Case(kind, "sectionName must be specified when targetRefs", (("targetRefs.1.sectionName", ABSENT),))
    yield Case(kind, "sectionName must be unique when targetRefs", (("targetRefs.1.sectionName", "a"),))
    kind, constraint = "XBackendTrafficPolicy", "retryConstraint"
    yield Case(
        kind,
        "interval cannot be greater than one hour or less",
        ((f"{constraint}.budget.interval", "61m"),),
        EXPERIMENTAL,
    )
    yield Case(
        kind, "interval cannot be greater than one hour", ((f"{constraint}.minRetryRate.interval", "0s"),), EXPERIMENTAL
    )
    session = "sessionPersistence"
    yield Case(kind, "AbsoluteTimeout must be specified", ((f"{session}.absoluteTimeout", ABSENT),), EXPERIMENTAL)
    yield Case(kind, "cookieConfig can only be set with type Cookie", ((f"{session}.type", "Header"),), EXPERIMENTAL)


def _backends() -> Iterator[Case]:
    kind = "XBackend"
    for case in _validation(kind, "tls.validation"):
        yield case._replace(channel=EXPERIMENTAL)
    yield Case(kind, "externalHostname must be set when type", (("externalHostname", ABSENT),), EXPERIMENTAL)
    local = (("externalHostname.hostname", "a.b.svc.cluster.local"),)
    yield Case(kind, "end with .cluster.local", local, EXPERIMENTAL)
    yield Case(kind, "Name must be a valid DNS label", (("port.name", "a_b"),), EXPERIMENTAL)
    yield Case(
        kind, "clientCertificateRef must be set if and only if", (("tls.clientCertificateRef", ABSENT),), EXPERIMENTAL
    )
