"""The two edges that are compared: nginx with nginx.conf, and Envoy with what podwire makes of ingresses.yaml."""

from __future__ import annotations

import contextlib
import socket
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
from tests.edge.ingress.objects import backend, ingress, path
from tests.edge.nginx import calls
from tests.edge.nginx.backend import Backend
from tests.edge.nginx.chains import Chain
from tests.edge.nginx.envoy_side import (
    NAMESPACE,
    Edge,
    put_certificate,
    put_endpoint,
    put_secret,
    put_service,
    put_service_of_address,
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
    """Of both edges and of the backends; nothing listens on `nobody`, and `stuck` accepts no connection."""

    nginx: Edge
    envoy: Edge
    web: int
    other: int
    copies: int
    inner: int
    deep: int
    calls: int
    encrypted_calls: int
    nobody: int
    stuck: int

    @classmethod
    def free(cls) -> Ports:
        """Return ports that are free now."""
        found = free_ports(13)
        return cls(Edge(*found[:2]), Edge(*found[2:4]), *found[4:])


class Pairs(msgspec.Struct, frozen=True):
    """Of servers, and the authorities of clients with the certificates that clients have, by name."""

    secure: KeyPair
    authority: bytes
    """Of `secure`."""
    authorities: bytes
    """Of clients."""
    clients: Mapping[str, KeyPair]
    backends: Mapping[int, Chain]
    """By how many authorities are between the root and the certificate."""
    proxy: KeyPair

    @property
    def trusted(self) -> bytes:
        """The authorities of backends."""
        return b"".join(one.root for one in self.backends.values())

    @classmethod
    def create(cls) -> Pairs:
        """`ann` and `bob` have a certificate of the authority, `eve` one of another, that of `dan` has ended.

        Of `ivy` and `joe` there are one and two authorities between.
        """
        authority, near, far = Authority.create("clients"), Chain.create("near", 1), Chain.create("far", 2)
        clients = {
            "ann": authority.client("ann", ("staff", "shop")),
            "bob": authority.client("bob"),
            "dan": authority.client("dan", lifetime=-timedelta(minutes=1)),
            "eve": Authority.create("others").client("ann"),
            "ivy": near.client("ivy"),
            "joe": far.client("joe"),
        }
        own = Authority.create("edge")
        secure = own.server(names=(SECURE, CERTIFIED), addresses=())
        trusted = authority.pair.certificate + near.root + far.root
        backends = {count: Chain.create(f"backends {count}", count) for count in (0, 2)}
        return cls(secure, own.pair.certificate, trusted, clients, backends, authority.client("proxy"))


class Sides(msgspec.Struct, frozen=True):
    """Both edges, the backends, TLS of clients by the name of their certificate, and the authority of both edges.

    The name is empty for a client without certificate.
    """

    nginx: Edge
    envoy: Edge
    backends: Mapping[str, Backend]
    tls: Mapping[str, ssl.SSLContext]
    authority: bytes


@contextlib.asynccontextmanager
async def edges(folder: Path) -> AsyncIterator[Sides]:
    """Serve the backends, nginx and Envoy."""
    ports, pairs = Ports.free(), Pairs.create()
    backends = {name: Backend(name) for name in ("web", "other", "copies", "inner", "deep")}
    async with contextlib.AsyncExitStack() as stack:
        for name, port in (("web", ports.web), ("other", ports.other), ("copies", ports.copies)):
            await stack.enter_async_context(backends[name].serving(port))
        for name, port, between in (("inner", ports.inner, 0), ("deep", ports.deep, 2)):
            tls = _backend_tls(folder, pairs, between)
            await stack.enter_async_context(backends[name].serving(port, tls))
        await stack.enter_async_context(calls.serving(ports.calls))
        await stack.enter_async_context(calls.serving(ports.encrypted_calls, pairs.secure))
        stack.enter_context(_stuck(ports.stuck))
        stack.enter_context(_nginx(folder, ports, pairs))
        await stack.enter_async_context(_envoy(folder, ports, pairs))
        yield Sides(ports.nginx, ports.envoy, backends, dict(_tls(folder, pairs)), pairs.authority)


def _tls(folder: Path, pairs: Pairs) -> Iterator[tuple[str, ssl.SSLContext]]:
    yield "", client_tls.context()
    for name, pair in pairs.clients.items():
        file = folder / f"{name}.pem"
        file.write_bytes(pair.certificate + pair.key)
        yield name, client_tls.context(str(file))


def _backend_tls(folder: Path, pairs: Pairs, between: int) -> ssl.SSLContext:
    """TLS 1.2 of inner.example.com, which clients may show a certificate of `ann`'s authority."""
    pair = pairs.backends[between].server("inner.example.com")
    file = folder / f"inner-{between}.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pairs.authorities.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(file)
    return context


@contextlib.contextmanager
def _stuck(port: int) -> Iterator[None]:
    """Listen with a queue of connections that is full: a further one is neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", port))
        server.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield


@contextlib.contextmanager
def _nginx(folder: Path, ports: Ports, pairs: Pairs) -> Iterator[None]:
    other = Authority.create().server(names=("default.example.com",), addresses=())
    own = folder / "nginx"
    own.mkdir()
    for name, pair in (("secure.pem", pairs.secure), ("default.pem", other), ("proxy.pem", pairs.proxy)):
        (own / name).write_bytes(pair.certificate + pair.key)
    (own / "clients.crt").write_bytes(pairs.authorities)
    (own / "backends.crt").write_bytes(pairs.trusted)
    (own / "users").write_text(f"{USERS}\n")
    (own / "members").write_text(f"{MEMBERS}\n")
    values = {
        "FOLDER": own,
        "HTTP": ports.nginx.http,
        "HTTPS": ports.nginx.https,
        "WEB": ports.web,
        "OTHER": ports.other,
        "COPIES": ports.copies,
        "INNER": ports.inner,
        "DEEP": ports.deep,
        "CALLS": ports.calls,
        "ENCRYPTED_CALLS": ports.encrypted_calls,
        "NOBODY": ports.nobody,
        "STUCK": ports.stuck,
        "CORS": ",".join(DEFAULTS.cors_allow_headers),
    }
    for file in HERE.glob("*.conf"):
        (own / file.name).write_text(_with(values, file.read_text()))
    server = Nginx(own, _with(values, (HERE / "nginx.conf").read_text()))
    try:
        server.start(ports.nginx.http)
        yield
    finally:
        server.kill()


def _with(values: Mapping[str, object], text: str) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


@contextlib.asynccontextmanager
async def _envoy(folder: Path, ports: Ports, pairs: Pairs) -> AsyncIterator[None]:
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    for name in ("web", "other", "copies", "inner", "deep", "calls", "nobody", "stuck"):
        put_service(objects, name, getattr(ports, name))
    put_service(objects, "empty", 0)
    put_service(objects, "both", ports.web)
    put_endpoint(objects, "both", ports.other, "10.0.0.2")
    put_service(objects, "encrypted-calls", ports.encrypted_calls)
    put_service(objects, "half", ports.nobody)
    put_endpoint(objects, "half", ports.web, "10.0.0.2")
    put_service_of_address(objects, "direct", "10.0.0.3", ports.web)
    put_certificate(objects, "secure", pairs.secure)
    put_secret(objects, "clients", "Opaque", ca_crt=pairs.authorities)
    proxy = {"tls_crt": pairs.proxy.certificate, "tls_key": pairs.proxy.key, "ca_crt": pairs.trusted}
    put_secret(objects, "backends", "Opaque", **proxy)
    put_secret(objects, "users", "Opaque", auth=USERS.encode())
    headers = {"metadata": {"name": "headers", "namespace": NAMESPACE}, "data": {"X-Frame-Options": "DENY"}}
    objects.put("ConfigMap", msgspec.convert(headers, ConfigMap))
    put_secret(objects, "members", "Opaque", auth=MEMBERS.encode())
    put_secret(objects, "map", "Opaque", alice=USERS.partition(":")[2].encode())
    for entry in yaml.safe_load((HERE / "ingresses.yaml").read_text()):
        ingresses.put(_ingress(**entry))
    async with served(folder, ports.envoy, ingresses, objects):
        yield


def _ingress(
    name: str, host: str, paths: list[str], tls: str = "", annotations: dict[str, str] | None = None
) -> Ingress:
    written = []
    for one in paths:
        text, kind, named = one.split()
        service, _, port = named.partition(":")
        written.append({**path(text, service, kind), "backend": backend(service, port or 80)})
    certified = ({"hosts": [host], "secretName": tls},) if tls else ()
    notes = {key.replace("-", "_"): value for key, value in (annotations or {}).items()}
    return ingress(name, *written, host=host, tls=certified, **notes)
