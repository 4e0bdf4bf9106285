"""Mistakes in Gateways and routes are reported when they are written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from podwire.apiserver.base.requests import Response
from podwire.apiserver.main import running
from podwire.apiserver.writes.gateway_warnings import rules
from podwire.edge.gateway.http_filters import Unsupported, filters_of
from podwire.edge.gateway.kinds.http_route import HTTPRouteFilter
from podwire.kube import gateway_api
from tests.apiserver.conftest import Files, Talk, configuration

Object = dict[str, Any]

KINDS = f"/apis/{gateway_api.GROUP}/v1/namespaces"
TLS = {"mode": "Terminate", "certificateRefs": [{"name": "cert"}]}
LISTENERS = [
    {"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"},
    {"name": "https", "port": 443, "protocol": "HTTPS", "tls": TLS, "allowedRoutes": {"namespaces": {"from": "All"}}},
    {"name": "tcp", "port": 9000, "protocol": "TCP"},
]
GATEWAY = {"gatewayClassName": "podwire", "listeners": LISTENERS}
RULE: Object = {"backendRefs": [{"name": "app", "port": 80}]}
ROUTE = {
    "parentRefs": [{"name": "web", "sectionName": "http"}],
    "hostnames": ["app.example.com"],
    "rules": [RULE],
}
GRANT = {
    "from": [{"group": gateway_api.GROUP, "kind": "HTTPRoute", "namespace": "shop"}],
    "to": [{"group": "", "kind": "Service"}],
}


class World:
    """A server with a Gateway, a Service and a certificate in namespace shop, and the warnings of what is written."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    async def prepare(self) -> None:
        for name in ("shop", "other"):
            await self.talk.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": {"team": name}}})
            ports = [{"name": "http", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
            service = {"metadata": {"name": "app"}, "spec": {"ports": ports}}
            await self.talk.ok("POST", f"/api/v1/namespaces/{name}/services", service)
        external = {"type": "ExternalName", "externalName": "example.com"}
        elsewhere = {"metadata": {"name": "elsewhere"}, "spec": external}
        await self.talk.ok("POST", "/api/v1/namespaces/shop/services", elsewhere)
        await self.secret("cert", "kubernetes.io/tls")

    async def secret(self, name: str, kind: str) -> None:
        body = {"metadata": {"name": name}, "type": kind, "stringData": {"tls.crt": "", "tls.key": ""}}
        await self.talk.ok("POST", "/api/v1/namespaces/shop/secrets", body)

    async def write(self, plural: str, spec: Object, namespace: str = "shop", name: str = "web") -> list[str]:
        answer = await self.talk.answer(
            "POST", f"{KINDS}/{namespace}/{plural}", {"metadata": {"name": name}, "spec": spec}
        )
        assert isinstance(answer, Response)
        assert answer.code == 201, answer.body
        return list(answer.warnings)


@pytest_asyncio.fixture
async def world(files: Files) -> AsyncIterator[World]:
    async with running(configuration(files, gateway_api="standard")) as server:
        made = World(Talk(server))
        await made.prepare()
        yield made


def route(**changes: Any) -> Object:
    return {**ROUTE, **changes}


def backend(**changes: Any) -> Object:
    return route(rules=[{"backendRefs": [{"name": "app", "port": 80, **changes}]}])


async def test_what_fits_has_no_warning(world: World) -> None:
    assert await world.write("gateways", GATEWAY) == []
    assert await world.write("httproutes", ROUTE) == []
    everywhere = [{"name": "web", "namespace": "shop", "sectionName": "https"}]
    assert await world.write("httproutes", route(parentRefs=everywhere), "other") == []
    assert await world.write("httproutes", route(rules=[{"filters": [REDIRECT]}]), name="redirect") == []
    some = [{"name": "app", "port": 80, "weight": 0}, {"name": "app", "port": 80}]
    assert await world.write("httproutes", route(rules=[{"backendRefs": some}]), name="some") == []
    udp = {"rules": [{"backendRefs": [{"name": "app", "port": 53}]}]}
    assert await world.write("udproutes", udp) == []


async def test_a_class_that_does_not_exist(world: World) -> None:
    [text] = await world.write("gateways", {**GATEWAY, "gatewayClassName": "nginx"})
    assert text == 'spec.gatewayClassName: GatewayClass "nginx" does not exist: use one of: contour, podwire'


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({"name": "none"}, "Secret shop/none does not exist: create it with type kubernetes.io/tls"),
        ({"name": "opaque"}, "Secret shop/opaque is of type Opaque: create it again with type kubernetes.io/tls"),
        ({"kind": "ConfigMap", "name": "a"}, "a certificate is a Secret, not a ConfigMap: name a Secret of type"),
        ({"name": "cert", "namespace": "other"}, "a ReferenceGrant in other must allow Gateway of namespace shop"),
    ],
)
async def test_a_certificate_that_cannot_be_used(world: World, reference: Object, text: str) -> None:
    await world.secret("opaque", "Opaque")
    listener = {**LISTENERS[1], "tls": {"mode": "Terminate", "certificateRefs": [reference]}}
    first, *_ = await world.write("gateways", {**GATEWAY, "listeners": [listener]})
    assert first.startswith("spec.listeners[0].tls.certificateRefs[0]: ")
    assert text in first


EXTENSION = {"type": "ExtensionRef", "extensionRef": {"group": "example.com", "kind": "Limit", "name": "a"}}
REWRITE = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/a"}}}
MIRROR = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "app", "port": 80}}}
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"hostname": "a.example.com"}}

WITHOUT_TRAFFIC = (
    (route(parentRefs=[{"name": "none"}]), "shop", "spec.parentRefs[0]: Gateway shop/none does not exist"),
    (
        route(parentRefs=[{"name": "web", "sectionName": "htps"}]),
        "shop",
        "spec.parentRefs[0].sectionName: Gateway shop/web has no listener htps: it has http, https, tcp",
    ),
    (
        route(parentRefs=[{"name": "web", "port": 8080}]),
        "shop",
        "spec.parentRefs[0].port: no listener of Gateway shop/web named here has port 8080",
    ),
    (
        route(parentRefs=[{"name": "web", "sectionName": "tcp"}]),
        "shop",
        "spec.parentRefs[0]: no listener of Gateway shop/web takes a HTTPRoute: it needs protocol HTTP or HTTPS",
    ),
    (
        route(parentRefs=[{"name": "web", "namespace": "shop", "sectionName": "http"}]),
        "other",
        "spec.parentRefs[0]: no listener of Gateway shop/web takes routes of namespace other: set its",
    ),
    (
        route(hostnames=["app.example.org", "example.com"]),
        "shop",
        "spec.hostnames: none of them is a name of Gateway shop/web (spec.parentRefs[0]), which has *.example.com",
    ),
    (
        backend(name="none"),
        "shop",
        "spec.rules[0].backendRefs[0]: Service shop/none does not exist: create it, or correct name and namespace",
    ),
    (
        backend(port=53),
        "shop",
        "spec.rules[0].backendRefs[0].port: Service shop/app has no TCP port 53: it has 80",
    ),
    (
        backend(weight=0),
        "shop",
        "spec.rules[0].backendRefs: every weight is 0, and requests are answered by 500: give one a weight above 0",
    ),
    (route(rules=[{}]), "shop", "spec.rules[0]: there is no backend, and requests are answered by 500: add"),
    (
        backend(group="example.com", kind="Bucket", port=None),
        "shop",
        "spec.rules[0].backendRefs[0]: a backend is a Service, and Bucket shop/app gets no traffic: name a Service",
    ),
    (
        backend(name="elsewhere"),
        "shop",
        "spec.rules[0].backendRefs[0]: Service shop/elsewhere is of type ExternalName and gets no traffic: name one",
    ),
    (
        route(rules=[{**RULE, "filters": [EXTENSION]}]),
        "shop",
        "spec.rules[0].filters[0].type: filter ExtensionRef is not served here, and the rule is left out: use one of",
    ),
    (
        backend(filters=[REWRITE]),
        "shop",
        "spec.rules[0].backendRefs[0].filters[0].urlRewrite.path: a single backend's path is not rewritten, and",
    ),
    (
        backend(filters=[MIRROR]),
        "shop",
        "spec.rules[0].backendRefs[0].filters[0].type: filter RequestMirror is not served here, and the rule is left",
    ),
    (
        backend(namespace="other"),
        "shop",
        "spec.rules[0].backendRefs[0]: Service other/app is in another namespace: a ReferenceGrant in other must",
    ),
)


@pytest.mark.proves("gateway-api-warnings")
async def test_routes_that_get_no_traffic(world: World) -> None:
    await world.write("gateways", GATEWAY)
    for number, (spec, namespace, text) in enumerate(WITHOUT_TRAFFIC):
        [found] = await world.write("httproutes", spec, namespace, f"route-{number}")
        assert found.startswith(text)


async def test_a_mirror_is_a_backend_too(world: World) -> None:
    await world.write("gateways", GATEWAY)
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "none", "port": 80}}}
    spec = route(rules=[{"filters": [mirror], "backendRefs": [{"name": "app", "port": 80}]}])
    [text] = await world.write("httproutes", spec)
    assert text.startswith("spec.rules[0].filters[0].requestMirror.backendRef: Service shop/none does not exist")


async def test_parameters_and_certificates_of_a_gateway(world: World) -> None:
    parameters = {"group": "", "kind": "ConfigMap", "name": "kube-root-ca.crt"}
    own = {**GATEWAY, "infrastructure": {"parametersRef": parameters}}
    assert await world.write("gateways", own) == []
    for number, (changed, text) in enumerate(
        (({"name": "none"}, "ConfigMap shop/none does not exist"), ({"kind": "Proxy"}, "not a Proxy: name a ConfigMap"))
    ):
        spec = {**GATEWAY, "infrastructure": {"parametersRef": {**parameters, **changed}}}
        [found] = await world.write("gateways", spec, name=f"own-{number}")
        assert found.startswith("spec.infrastructure.parametersRef: ")
        assert text in found
    shown = {**GATEWAY, "tls": {"backend": {"clientCertificateRef": {"name": "none"}}}}
    [found] = await world.write("gateways", shown, name="shown")
    assert found.startswith("spec.tls.backend.clientCertificateRef: Secret shop/none does not exist")


async def test_authorities_of_clients(world: World) -> None:
    known = {"group": "", "kind": "ConfigMap", "name": "kube-root-ca.crt"}
    default = {"validation": {"caCertificateRefs": [known]}}
    assert await world.write("gateways", {**GATEWAY, "tls": {"frontend": {"default": default}}}) == []
    wrong = [{**known, "name": "none"}, {**known, "kind": "Secret"}]
    per_port = {"validation": {"caCertificateRefs": wrong[:1], "mode": "AllowInsecureFallback"}}
    frontend = {
        "default": {"validation": {"caCertificateRefs": wrong[1:]}},
        "perPort": [{"port": 443, "tls": per_port}],
    }
    found = await world.write("gateways", {**GATEWAY, "tls": {"frontend": frontend}}, name="wrong")
    assert [one.partition(": ")[0] for one in found] == [
        "spec.tls.frontend.default.validation.caCertificateRefs[0]",
        "spec.tls.frontend.perPort[0].tls.validation.caCertificateRefs[0]",
        "spec.tls.frontend.perPort[0].tls.validation.mode",
    ]
    assert "not a Secret: name a ConfigMap" in found[0]
    assert "ConfigMap shop/none does not exist" in found[1]


def test_the_filters_without_a_warning_are_those_that_are_served() -> None:
    types = (*rules.FILTERS, "ExtensionRef", "Other")
    assert [one for one in types if is_served(one, "spec.rules[0].filters")] == list(rules.FILTERS)


def is_served(kind: str, field: str) -> bool:
    """Whether the gateway controller translates a filter of this type."""
    name = {"URLRewrite": "urlRewrite", "CORS": "cors"}.get(kind, kind[0].lower() + kind[1:])
    try:
        filters_of([msgspec.convert({"type": kind, name: {}}, HTTPRouteFilter)], field)
    except Unsupported:
        return False
    return True


async def test_a_grant_allows_what_it_names(world: World) -> None:
    await world.write("gateways", GATEWAY)
    await world.write("referencegrants", {**GRANT, "to": [{"group": "", "kind": "Service", "name": "b"}]}, "other", "b")
    assert len(await world.write("httproutes", backend(namespace="other"))) == 1
    await world.write("referencegrants", GRANT, "other")
    assert await world.write("httproutes", backend(namespace="other"), name="granted") == []


async def test_a_listener_that_selects_namespaces(world: World) -> None:
    selected = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "other"}}}}
    await world.write("gateways", {**GATEWAY, "listeners": [{**LISTENERS[0], "allowedRoutes": selected}]})
    spec = route(parentRefs=[{"name": "web", "namespace": "shop"}])
    assert await world.write("httproutes", spec, "other") == []
    assert len(await world.write("httproutes", spec, "shop")) == 1


async def test_listener_sets_and_policies(world: World) -> None:
    listeners = [{"name": "a", "port": 81, "protocol": "HTTP"}]
    await world.write("gateways", GATEWAY)
    [text] = await world.write("listenersets", {"parentRef": {"name": "web"}, "listeners": listeners})
    assert (
        text == "spec.parentRef: Gateway shop/web lets in no ListenerSet: set its spec.allowedListeners.namespaces.from"
    )
    target = {"group": "", "kind": "Service", "name": "none"}
    authority = {"group": "", "kind": "ConfigMap", "name": "kube-root-ca.crt"}
    validation = {"caCertificateRefs": [authority, {**authority, "name": "none"}], "hostname": "a.example.com"}
    texts = await world.write("backendtlspolicies", {"targetRefs": [target], "validation": validation})
    assert texts[0] == "spec.targetRefs[0]: Service shop/none does not exist: create it, or correct the name"
    assert texts[1].startswith("spec.validation.caCertificateRefs[1]: ConfigMap shop/none does not exist: create it")
    assert len(texts) == 2


async def test_an_update_warns_where_the_spec_changed(world: World) -> None:
    await world.write("gateways", {**GATEWAY, "gatewayClassName": "nginx"})
    path = f"{KINDS}/shop/gateways/web"
    merge = "application/merge-patch+json"
    labelled = await world.talk.answer("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, content_type=merge)
    assert isinstance(labelled, Response)
    assert labelled.warnings == ()
    again = await world.talk.answer("PATCH", path, {"spec": {"gatewayClassName": "apache"}}, content_type=merge)
    assert isinstance(again, Response)
    assert len(again.warnings) == 1
