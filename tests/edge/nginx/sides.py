"""The two edges that are compared: nginx with nginx.conf, and Envoy with what podwire makes of ingresses.yaml."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import msgspec
import yaml

from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.annotations.settings import DEFAULTS
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.insight.replay import client_tls
from podwire.kube.core import ConfigMap
from podwire.pki.certificates import Authority, KeyPair
from tests.edge.ingress.objects import ingress, path
from tests.edge.nginx.backend import Backend
from tests.edge.nginx.envoy_side import (
    NAMESPACE,
    Edge,
    put_certificate,
    put_endpoint,
    put_secret,
    put_service,
    served,
)
from tests.edge.nginx.process import Nginx, free_ports

HERE = Path(__file__).parent
USERS = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="
MEMBERS = "alice:$apr1$podwire1$TCmIoR/nXPYLlgqO8KDxz0"
SECURE = "secure.example.com"
CERTIFIED = "*.certified.example.com"
"""Hosts whose clients have a certificate."""


class Ports(msgspec.Struct, frozen=True):
    """Of both edges and of the backends; nothing listens on `nobody`."""

    nginx: Edge
    envoy: Edge
    web: int
    other: int
    copies: int
    nobody: int

    @classmethod
    def free(cls) -> Ports:
        """Return ports that are free now."""
        found = free_ports(8)
        return cls(Edge(*found[:2]), Edge(*found[2:4]), *found[4:])


class Pairs(msgspec.Struct, frozen=True):
    """Of servers, and the authority of clients with the certificates that clients have, by name."""

    secure: KeyPair
    authority: KeyPair
    clients: Mapping[str, KeyPair]

    @classmethod
    def create(cls) -> Pairs:
        """`ann` and `bob` have a certificate of the authority, `eve` one of another, that of `dan` has ended."""
        authority = Authority.create("clients")
        clients = {
            "ann": authority.client("ann", ("staff", "shop")),
            "bob": authority.client("bob"),
            "dan": authority.client("dan", lifetime=-timedelta(minutes=1)),
            "eve": Authority.create("others").client("ann"),
        }
        return cls(Authority.create().server(names=(SECURE, CERTIFIED), addresses=()), authority.pair, clients)


class Sides(msgspec.Struct, frozen=True):
    """Both edges, the backends, and TLS of clients by the name of their certificate; empty: without one."""

    nginx: Edge
    envoy: Edge
    backends: Mapping[str, Backend]
    tls: Mapping[str, ssl.SSLContext]


@contextlib.asynccontextmanager
async def edges(folder: Path) -> AsyncIterator[Sides]:
    """Serve the backends, nginx and Envoy."""
    ports, pairs = Ports.free(), Pairs.create()
    backends = {name: Backend(name) for name in ("web", "other", "copies")}
    async with contextlib.AsyncExitStack() as stack:
        for name, port in (("web", ports.web), ("other", ports.other), ("copies", ports.copies)):
            await stack.enter_async_context(backends[name].serving(port))
        stack.enter_context(_nginx(folder, ports, pairs))
        await stack.enter_async_context(_envoy(folder, ports, pairs))
        yield Sides(ports.nginx, ports.envoy, backends, dict(_tls(folder, pairs)))


def _tls(folder: Path, pairs: Pairs) -> Iterator[tuple[str, ssl.SSLContext]]:
    yield "", client_tls.context()
    for name, pair in pairs.clients.items():
        file = folder / f"{name}.pem"
        file.write_bytes(pair.certificate + pair.key)
        yield name, client_tls.context(str(file))


@contextlib.contextmanager
def _nginx(folder: Path, ports: Ports, pairs: Pairs) -> Iterator[None]:
    other = Authority.create().server(names=("default.example.com",), addresses=())
    own = folder / "nginx"
    own.mkdir()
    for name, pair in (("secure.pem", pairs.secure), ("default.pem", other)):
        (own / name).write_bytes(pair.certificate + pair.key)
    (own / "clients.crt").write_bytes(pairs.authority.certificate)
    (own / "users").write_text(f"{USERS}\n")
    (own / "members").write_text(f"{MEMBERS}\n")
    values = {
        "FOLDER": own,
        "HTTP": ports.nginx.http,
        "HTTPS": ports.nginx.https,
        "WEB": ports.web,
        "OTHER": ports.other,
        "COPIES": ports.copies,
        "NOBODY": ports.nobody,
        "CORS": ",".join(DEFAULTS.cors_allow_headers),
    }
    for name in ("proxied.conf", "auth.conf", "error.conf", "certified.conf"):
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
async def _envoy(folder: Path, ports: Ports, pairs: Pairs) -> AsyncIterator[None]:
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    for name, port in (("web", ports.web), ("other", ports.other), ("copies", ports.copies), ("nobody", ports.nobody)):
        put_service(objects, name, port)
    put_service(objects, "empty", 0)
    put_service(objects, "both", ports.web)
    put_endpoint(objects, "both", ports.other, "10.0.0.2")
    put_certificate(objects, "secure", pairs.secure)
    put_secret(objects, "clients", "Opaque", ca_crt=pairs.authority.certificate)
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
