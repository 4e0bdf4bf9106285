"""Published injections into Ingresses' proxies: no text of a user enters, or breaks, the configuration of an Envoy.

CVE-2025-1974, -1097, -1098, -24513, -24514, -15566; CVE-2026-1580, -24512, -4342; CVE-2024-7646; CVE-2021-25742,
-25746, -25748: values of annotations and paths became text of nginx's configuration.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.controller.ingress_translation import IngressTranslation
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.table import TABLE, Support
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.model.tls import Certificate
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.pki.certificates import Authority
from tests.edge.ingress.objects import ingress, path
from tests.edge.xds.real_envoy import Backend, Envoy, request, until

in_module = pytest.mark.asyncio(loop_scope="module")

TEXTS = (
    "x;\n}\nload_module /tmp/evil.so;",
    'a"; return 200; #',
    "/a\r\nX-Evil: 1",
    "$http_x/../../etc/passwd",
    "(?=a)(a+)+$",
    "((((a{1000}){1000}))))",
    "%REQ(AUTHORITY)%%FILTER_STATE(x)%",
    "\\1\\9\\Q[",
    "/$1$9${2}$",
    "http://a/\u202e\x00",
    "/" + "a" * 4000,
    "{{ .Values.x }}",
    "https://$host/$http_x$arg_y${cookie_z}%0d%0aX-Evil:%201",
    "http://web.shop.svc.cluster.local/$uri",
    "$http_x_$arg_y",
    "a b",
    "-1",
    "99999999999999999999",
    "*",
    "",
)
PATHS = ("/a;\n}", "/$1{}", "/(?=x)", "/a{1001}", '/"', "/%2e%2e/%00", "/((((", "/a\\Z", "/" + "b" * 3000, "/x y")
OPEN = {"enable_cors": "true", "affinity": "cookie", "canary_by_header": "x", "use_regex": "true"}
"""What makes other annotations have an effect."""
SERVICE = "http://web.shop.svc.cluster.local/"
FAMILIES = {
    "auth-": {"auth_url": SERVICE, "auth_cache_key": "$host"},
    "custom-http": {"default_backend": "web"},
    "default-": {"custom_http_errors": "404"},
    "limit-": {"limit_rps": "1"},
    "mirror-": {"mirror_target": SERVICE},
    "proxy-redirect": {"proxy_redirect_from": "/a", "proxy_redirect_to": "/b"},
    "proxy-ssl": {"backend_protocol": "HTTPS"},
}
"""The same by the beginning of the annotations' names."""


def hostile() -> Iterator[Ingress]:
    """Each honoured annotation with each text on a host of the annotation, each path on its own; one host is right."""
    yield ingress("right", path("/"), host="right.example.com")
    number = 0
    for name in (one.name for one in TABLE.values() if one.support is not Support.REFUSED):
        for text in TEXTS:
            number += 1
            own_family = next((one for start, one in FAMILIES.items() if name.startswith(start)), {})
            notes = {**OPEN, **own_family, name.replace("-", "_"): text}
            own = path(f"/{number}(.*)")
            yield ingress(f"n{number}", own, host=f"{name}.example.com", tls=(), **notes)
            if name.startswith("canary-"):
                yield ingress(f"c{number}", own, host=f"{name}.example.com", tls=(), **{**notes, "canary": "true"})
    for index, one in enumerate(PATHS):
        for kind in ("Exact", "Prefix", "ImplementationSpecific"):
            notes = {"use_regex": "true", "rewrite_target": "/$2"} if kind != "Exact" else {}
            made = f"p{index}-{kind.lower()}"
            paths = path(one, path_type=kind), path("/ok")
            yield ingress(made, *paths, host=f"{made}.example.com", tls=(), **notes)


def resources(folder: Path) -> Iterator[Resource]:
    """The resources of all of them, with the plain listener and the backend on unix sockets."""
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    metadata = {"name": "web", "namespace": "shop"}
    objects.put(
        "Service",
        msgspec.convert({"metadata": metadata, "spec": {"ports": [{"port": 80}], "ipFamilies": ["IPv4"]}}, Service),
    )
    body = {
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
    }
    objects.put("EndpointSlice", msgspec.convert(body, EndpointSlice))
    for item in hostile():
        ingresses.put(item)
    translation = IngressTranslation(ingresses, objects)
    pair = Authority.create("test").server()
    translation.default = Certificate("default", pair.certificate.decode(), pair.key.decode())
    for one in translation.difference(ingresses.hosts, (), certificates=True).upserts:
        yield moved(one, folder)


def moved(one: Resource, folder: Path) -> Resource:
    if one.type_url == LISTENER:
        listener = listener_pb2.Listener.FromString(one.body)
        listener.address.pipe.path = str(folder / ("https" if "443" in one.name else "http"))
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        found.endpoints[0].lb_endpoints[0].endpoint.address.pipe.path = str(folder / "web")
        return msgspec.structs.replace(one, body=found.SerializeToString())
    return one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Path, Proxy]]:
    folder = tmp_path_factory.mktemp("envoy")
    proxies = Proxies(lambda _: None)
    made = proxies.add("edge", resources(folder))
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    backend = Backend(folder / "web")
    await backend.start()
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy-0", "edge", str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        keys = [one.key for one in made.snapshot]
        await until(
            lambda: bool(made.envoys()) and not made.lacking([key for key in keys if not made.refusal(key)]), "all"
        )
        yield folder, made
    finally:
        envoy.kill()
        await server.stop()
        await backend.stop()


@in_module
async def test_no_value_makes_an_envoy_refuse_anything(proxy: tuple[Path, Proxy]) -> None:
    _, made = proxy
    assert {one.key: made.refusal(one.key) for one in made.snapshot if made.refusal(one.key)} == {}


@in_module
async def test_hosts_beside_them_are_served(proxy: tuple[Path, Proxy]) -> None:
    folder, made = proxy
    assert (await request(folder / "http", "right.example.com"))[0] == 200
    served = [one.name.rpartition("/")[2] for one in made.snapshot if re.match("ingress:http/p[0-9]", one.name)]
    answers = await asyncio.gather(*(request(folder / "http", host, "/ok") for host in served))
    assert {status for status, _ in answers} == {200}
