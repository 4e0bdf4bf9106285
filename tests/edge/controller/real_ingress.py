"""Ingresses in a real Envoy: objects are translated as the controller does it, and all sockets are unix sockets.

The listeners are the sockets `http` and `https`. An endpoint 10.0.0.N of a Service is the socket `SERVICE`, or
`SERVICE-N` from the second on. A client's address is what its X-Forwarded-For says.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2

from podwire.edge.controller.ingress_translation import IngressTranslation
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import Ingress
from podwire.edge.instance import configuration, passwords
from podwire.edge.model.tls import Certificate
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube.core import ConfigMap, Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.pki.certificates import Authority
from tests.edge.ingress.echo import EchoBackend, Response, fetch
from tests.edge.xds.real_envoy import Envoy, is_listening, until

NAMESPACE = "shop"
AUTHORITY = Authority.create("ingress tests")


class RealIngress:
    """Objects, and the Envoy that has what they come to; the first endpoints of Services respond by echo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = Objects()
        self.ingresses = Ingresses((), without_class=True)
        self.translation = IngressTranslation(self.ingresses, self.objects)
        pair = AUTHORITY.server(("default.test",))
        self.translation.default = Certificate("default", pair.certificate.decode(), pair.key.decode())
        self.proxies = Proxies(lambda _: None)
        self.proxy = self.proxies.add("edge", ())
        self.backends: dict[str, EchoBackend] = {}
        self.envoy: Envoy | None = None
        self._trusts_forwarded = True

    def put(self, *items: Ingress) -> None:
        """Add or replace Ingresses; they have an effect after apply()."""
        for item in items:
            self.ingresses.put(item)

    def put_secret(self, name: str, **data: str | bytes) -> None:
        """Add a Secret; the names of its entries have underscores for dots."""
        encoded = {
            key.replace("_", "."): base64.b64encode(one if isinstance(one, bytes) else one.encode()).decode()
            for key, one in data.items()
        }
        self._put("Secret", Secret, name, data=encoded)

    def put_config_map(self, name: str, data: dict[str, str]) -> None:
        """Add a ConfigMap."""
        self._put("ConfigMap", ConfigMap, name, data=data)

    async def put_service(
        self, name: str, endpoints: int = 1, *, on_loopback: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        """Add a Service with endpoints that respond; `on_loopback`: sessions need addresses, not unix sockets."""
        port = 80
        self._put(
            "Service", Service, name, spec={"ports": [{"port": port}], "ipFamilies": ["IPv4"], "clusterIP": "10.0.0.1"}
        )
        found = [{"addresses": [f"10.0.0.{number + 1}"], "conditions": {"ready": True}} for number in range(endpoints)]
        labels = {"kubernetes.io/service-name": name}
        self._put(
            "EndpointSlice",
            EndpointSlice,
            name,
            labels,
            addressType="IPv4",
            ports=[{"port": port}],
            endpoints=found,
        )
        for number in range(endpoints):
            socket = _socket(name, number + 1)
            self.backends[socket] = EchoBackend(self.folder / socket)
            await self.backends[socket].start(on_loopback=on_loopback, tls=tls)

    async def apply(self, *, trusts_forwarded: bool = True) -> None:
        """Derive everything; return when Envoy has acknowledged it. Raises AssertionError for what it refuses.

        `trusts_forwarded`: a client's address is what it says, whatever the options are.
        """
        self._trusts_forwarded = trusts_forwarded
        self.translation.difference(self.ingresses.hosts, (), certificates=True)
        wanted = {one.key: self._moved(one) for one in self.translation.resources()}
        removed = {one.key for one in self.proxy.snapshot} - wanted.keys()
        self.proxy.apply(wanted.values(), removed)

        def settled() -> bool:
            lacking = [key for key in wanted if not self.proxy.refusal(key)]
            return bool(self.proxy.envoys()) and not self.proxy.lacking(lacking)

        await until(settled, "acknowledged")
        refused = {key: self.proxy.refusal(key) for key in wanted if self.proxy.refusal(key)}
        assert not refused, refused
        await until(lambda: all(is_listening(self.folder / one) for one in ("http", "https")), "listening")

    async def get(self, host: str, path: str = "/", **given: Any) -> Response:
        """Send a request in plain text."""
        return await fetch(self.folder / "http", host, path, **given)

    async def get_secure(self, host: str, path: str = "/", **given: Any) -> Response:
        """Send a request by TLS; `tls` is the context of the client."""
        return await fetch(self.folder / "https", host, path, **given)

    def _put(self, kind: str, type_: Any, name: str, labels: dict[str, str] | None = None, **fields: Any) -> None:
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels or {}}
        self.objects.put(kind, msgspec.convert({"metadata": metadata, **fields}, type_))

    def _moved(self, one: Resource) -> Resource:
        if one.type_url == LISTENER:
            listener = listener_pb2.Listener.FromString(one.body)
            listener.address.pipe.path = str(self.folder / ("https" if "/443/" in one.name else "http"))
            for chain in listener.filter_chains if self._trusts_forwarded else ():
                _trust_forwarded_address(chain)
            return msgspec.structs.replace(one, body=listener.SerializeToString())
        if one.type_url == ENDPOINTS:
            found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
            service = one.name.partition("/")[2].partition(":")[0]
            for each in (each for locality in found.endpoints for each in locality.lb_endpoints):
                number = int(each.endpoint.address.socket_address.address.rpartition(".")[2])
                backend = self.backends[_socket(service, number)]
                if backend.port:
                    each.endpoint.address.socket_address.address = "127.0.0.1"
                    each.endpoint.address.socket_address.port_value = backend.port
                else:
                    each.endpoint.address.pipe.path = str(backend.socket)
            return msgspec.structs.replace(one, body=found.SerializeToString())
        return one


def _socket(service: str, number: int) -> str:
    return service if number == 1 else f"{service}-{number}"


def _trust_forwarded_address(chain: Any) -> None:
    for one in chain.filters:
        manager = http_connection_manager_pb2.HttpConnectionManager.FromString(one.typed_config.value)
        manager.xff_num_trusted_hops = 1
        one.typed_config.value = manager.SerializeToString()


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[RealIngress]:
    """Run an Envoy whose control plane is the returned object, with the service that verifies passwords."""
    found = RealIngress(folder)
    server = DiscoveryServer(found.proxies, None)
    await server.start(f"unix:{folder}/xds")
    settings = bootstrap.Bootstrap("envoy-0", "edge", str(folder / "xds"), 0, str(folder / "admin"))
    envoy = found.envoy = Envoy(folder, settings, [configuration.passwords_cluster(str(folder))])
    envoy.start()
    try:
        async with passwords.serving(str(folder)):
            yield found
    finally:
        envoy.kill()
        await server.stop()
        await asyncio.gather(*(one.stop() for one in found.backends.values()))
