"""The two edges that are compared: nginx with nginx.conf, and Envoy with what podwire makes of ingresses.yaml."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import yaml
from aiohttp import web

from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.settings import DEFAULTS
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.kube.core import ConfigMap
from podwire.pki.certificates import Authority, KeyPair
from tests.edge.ingress.objects import ingress, path
from tests.edge.nginx.envoy_side import NAMESPACE, Edge, put_certificate, put_secret, put_service, served
from tests.edge.nginx.process import Nginx, free_ports

HERE = Path(__file__).parent
USERS = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
MEMBERS = "alice:$apr1$podwire1$TCmIoR/nXPYLlgqO8KDxz0"
SECURE = "secure.example.com"
FROM_BACKEND = "x-of"
"""Header of the answers of backends; a proxy's own have it not."""
_OWN = ("x-envoy-", "connection", "content-length", "x-request-id")
"""Headers to backends that are each proxy's own; a request's ID counts where a client sent it."""


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
        if kind == "verify":
            return _verified(request)
        if kind == "cookie":
            cookie = "a=1; Domain=inner.example.com; Path=/app/x; HttpOnly"
            return web.Response(headers={"Set-Cookie": cookie, FROM_BACKEND: name})
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


def _verified(request: web.BaseRequest) -> web.Response:
    """The answer of an authorization service, by a token; what it received is in a header."""
    status = {"good": 200, "forbidden": 403, "broken": 500}.get(request.headers.get("X-Token", ""), 401)
    seen = [f"{request.method} {request.raw_path} {len(request.headers.get('Content-Length', ''))}"]
    seen += [f"{one}={request.headers.get(one, '')}" for one in _OF_AUTHORIZATION]
    return web.Response(status=status, headers={"X-User": "alice", "X-Seen": "|".join(seen)})


_OF_AUTHORIZATION = (
    "X-Original-URL", "X-Original-Method", "X-Sent-From", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Auth-Request-Redirect",
)  # fmt: skip


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
    (own / "members").write_text(f"{MEMBERS}\n")
    values = {
        "FOLDER": own,
        "HTTP": ports.nginx.http,
        "HTTPS": ports.nginx.https,
        "WEB": ports.web,
        "OTHER": ports.other,
        "NOBODY": ports.nobody,
        "CORS": ",".join(DEFAULTS.cors_allow_headers),
    }
    for name in ("proxied.conf", "auth.conf", "error.conf"):
        (own / name).write_text((HERE / name).read_text())
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
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    for name, port in (("web", ports.web), ("other", ports.other), ("nobody", ports.nobody), ("empty", 0)):
        put_service(objects, name, port)
    put_certificate(objects, "secure", secure)
    put_secret(objects, "users", "Opaque", auth=USERS.encode())
    headers = {"metadata": {"name": "headers", "namespace": NAMESPACE}, "data": {"X-Frame-Options": "DENY"}}
    objects.put("ConfigMap", msgspec.convert(headers, ConfigMap))
    put_secret(objects, "members", "Opaque", auth=MEMBERS.encode())
    for entry in yaml.safe_load((HERE / "ingresses.yaml").read_text()):
        ingresses.put(_ingress(**entry))
    async with served(folder, ports.envoy, ingresses, objects):
        yield


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
