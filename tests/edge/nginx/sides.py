"""The two edges that are compared: nginx with nginx.conf, and Envoy with what podwire makes of ingresses.yaml."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from aiohttp import web
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.controller.ingress_translation import IngressTranslation
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.settings import DEFAULTS
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.ingress.listeners import HTTPS, PROXY_PORTS
from podwire.edge.model.tls import Certificate
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube.core import ConfigMap, Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.pki.certificates import Authority, KeyPair
from tests.edge.ingress.objects import ingress, path
from tests.edge.nginx.process import Nginx, free_ports
from tests.edge.xds.real_envoy import Envoy, until

HERE = Path(__file__).parent
USERS = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
SECURE = "secure.example.com"
FROM_BACKEND = "x-of"
"""Header of the answers of backends; a proxy's own have it not."""
_OWN = ("x-envoy-", "connection", "content-length", "x-request-id")
"""Headers to backends that are each proxy's own; a request's ID counts where a client sent it."""


class Edge(msgspec.Struct, frozen=True):
    """Ports of 127.0.0.1."""

    http: int
    https: int

    @property
    def urls(self) -> tuple[str, str]:
        """Of plain HTTP and of HTTPS."""
        return f"http://127.0.0.1:{self.http}", f"https://127.0.0.1:{self.https}"


class Ports(msgspec.Struct, frozen=True):
    """Of both edges and of the backends; nothing listens on `nobody`."""

    nginx: Edge
    envoy: Edge
    web: int
    other: int
    nobody: int

    @classmethod
    def free(cls) -> Ports:
        """Return ports that are free now."""
        found = free_ports(7)
        return cls(Edge(*found[:2]), Edge(*found[2:4]), *found[4:])


@contextlib.asynccontextmanager
async def edges(folder: Path) -> AsyncIterator[tuple[Edge, Edge]]:
    """Serve the backends, nginx and Envoy; yield nginx and Envoy."""
    ports = Ports.free()
    secure = Authority.create().server(names=(SECURE,), addresses=())
    async with contextlib.AsyncExitStack() as stack:
        for name, port in (("web", ports.web), ("other", ports.other)):
            await stack.enter_async_context(_backend(name, port))
        stack.enter_context(_nginx(folder, ports, secure))
        await stack.enter_async_context(_envoy(folder, ports, secure))
        yield ports.nginx, ports.envoy


@contextlib.asynccontextmanager
async def _backend(name: str, port: int) -> AsyncIterator[None]:
    """A server that answers what it received."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        kind, _, value = request.path.strip("/").partition("/")
        if kind == "slow":
            await asyncio.sleep(5)
        if kind == "cut" and request.transport is not None:
            request.transport.abort()
        if kind == "moved":
            return web.Response(
                status=302, headers={"Location": "http://inner.example.com/x", "Set-Cookie": "a=1", FROM_BACKEND: name}
            )
        seen = {
            "backend": name,
            "method": request.method,
            "path": request.raw_path,
            "body": len(await request.read()),
            "headers": dict(sorted(_received(request))),
        }
        status = int(value) if kind == "status" else 200
        return web.Response(status=status, text="" if status == 204 else json.dumps(seen), headers={FROM_BACKEND: name})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _received(request: web.BaseRequest) -> Iterator[tuple[str, str]]:
    for name, value in request.headers.items():
        if not name.lower().startswith(_OWN) or value == "of-the-client":
            yield name.lower(), value


@contextlib.contextmanager
def _nginx(folder: Path, ports: Ports, secure: KeyPair) -> Iterator[None]:
    other = Authority.create().server(names=("default.example.com",), addresses=())
    own = folder / "nginx"
    own.mkdir()
    for name, pair in (("secure.pem", secure), ("default.pem", other)):
        (own / name).write_bytes(pair.certificate + pair.key)
    (own / "users").write_text(f"{USERS}\n")
    values = {
        "FOLDER": own,
        "HTTP": ports.nginx.http,
        "HTTPS": ports.nginx.https,
        "WEB": ports.web,
        "OTHER": ports.other,
        "NOBODY": ports.nobody,
        "CORS": ",".join(DEFAULTS.cors_allow_headers),
    }
    (own / "proxied.conf").write_text((HERE / "proxied.conf").read_text())
    text = (HERE / "nginx.conf").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    server = Nginx(own, text)
    try:
        server.start(ports.nginx.http)
        yield
    finally:
        server.kill()


@contextlib.asynccontextmanager
async def _envoy(folder: Path, ports: Ports, secure: KeyPair) -> AsyncIterator[None]:
    proxies = Proxies(lambda _: None)
    made = proxies.add("edge", _resources(ports, secure))
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy", "edge", str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        keys = [one.key for one in made.snapshot]
        await until(lambda: bool(made.envoys()) and not made.lacking(keys), "Envoy has all")
        yield
    finally:
        envoy.kill()
        await server.stop()


def _resources(ports: Ports, secure: KeyPair) -> Iterator[Resource]:
    """The resources of all Ingresses, with the listeners on free ports of 127.0.0.1."""
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    for kind, item in _objects(ports, secure):
        objects.put(kind, item)
    for entry in yaml.safe_load((HERE / "ingresses.yaml").read_text()):
        ingresses.put(_ingress(**entry))
    translation = IngressTranslation(ingresses, objects)
    pair = Authority.create("test").server()
    translation.default = Certificate("default", pair.certificate.decode(), pair.key.decode())
    for one in translation.difference(ingresses.hosts, (), certificates=True).upserts:
        yield _moved(one, ports)


def _moved(one: Resource, ports: Ports) -> Resource:
    """Listeners and endpoints are on 127.0.0.1, where no endpoint of a Service can be."""
    if one.type_url == LISTENER:
        listener = listener_pb2.Listener.FromString(one.body)
        address = listener.address.socket_address
        address.port_value = ports.envoy.https if address.port_value == PROXY_PORTS[HTTPS] else ports.envoy.http
        address.address, address.ipv4_compat = "127.0.0.1", False
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        for group in found.endpoints:
            for endpoint in group.lb_endpoints:
                endpoint.endpoint.address.socket_address.address = "127.0.0.1"
        return msgspec.structs.replace(one, body=found.SerializeToString())
    return one


def _ingress(
    name: str, host: str, paths: list[str], tls: str = "", annotations: dict[str, str] | None = None
) -> Ingress:
    written = []
    for one in paths:
        text, kind, service = one.split()
        written.append(path(text, service, kind))
    certified = ({"hosts": [host], "secretName": tls},) if tls else ()
    notes = {key.replace("-", "_"): value for key, value in (annotations or {}).items()}
    return ingress(name, *written, host=host, tls=certified, **notes)


def _objects(ports: Ports, secure: KeyPair) -> Iterator[tuple[str, Any]]:
    for name, port in (("web", ports.web), ("other", ports.other), ("nobody", ports.nobody), ("empty", 0)):
        metadata = {"name": name, "namespace": "shop"}
        spec = {"ports": [{"port": 80}], "ipFamilies": ["IPv4"]}
        yield "Service", msgspec.convert({"metadata": metadata, "spec": spec}, Service)
        if port:
            body = {
                "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{"port": port}],
                "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
            }
            yield "EndpointSlice", msgspec.convert(body, EndpointSlice)
    tls = {"tls.crt": _encoded(secure.certificate), "tls.key": _encoded(secure.key)}
    for name, data in (("secure", tls), ("users", {"auth": _encoded(USERS.encode())})):
        body = {"metadata": {"name": name, "namespace": "shop"}, "data": data}
        yield "Secret", msgspec.convert({**body, "type": "kubernetes.io/tls" if name == "secure" else "Opaque"}, Secret)
    headers = {"metadata": {"name": "headers", "namespace": "shop"}, "data": {"X-Frame-Options": "DENY"}}
    yield "ConfigMap", msgspec.convert(headers, ConfigMap)


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
