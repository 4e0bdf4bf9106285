"""A real Envoy that serves Ingresses on ports of 127.0.0.1, as podwire's controller configures it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.controller.ingress_translation import IngressTranslation
from podwire.edge.controller.row_table import Difference
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.listeners import HTTPS, PROXY_PORTS
from podwire.edge.instance import configuration, passwords
from podwire.edge.model.tls import Certificate
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube.core import Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.pki.certificates import Authority, KeyPair
from tests.edge.xds.real_envoy import Envoy, until

NAMESPACE = "shop"


class Edge(msgspec.Struct, frozen=True):
    """Ports of 127.0.0.1."""

    http: int
    https: int

    @property
    def urls(self) -> tuple[str, str]:
        """Of plain HTTP and of HTTPS."""
        return f"http://127.0.0.1:{self.http}", f"https://127.0.0.1:{self.https}"


class Side(msgspec.Struct):
    """The Envoy, its resources, and what they are derived from."""

    edge: Edge
    envoy: Envoy
    proxy: Proxy
    translation: IngressTranslation

    def apply(self, difference: Difference) -> None:
        """Send what is different."""
        self.proxy.apply((moved(one, self.edge) for one in difference.upserts), difference.removals)


def put_service(objects: Objects, name: str, port: int) -> None:
    """Add a Service of port 80 whose endpoint is a port of 127.0.0.1; 0: it has none."""
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {"ports": [{"port": 80}], "ipFamilies": ["IPv4"]}
    objects.put("Service", msgspec.convert({"metadata": metadata, "spec": spec}, Service))
    if port:
        put_endpoint(objects, name, port)


def put_service_of_address(objects: Objects, name: str, address: str, port: int) -> None:
    """Add a Service with an address and a port `http`, without endpoints."""
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {
        "ports": [{"name": "http", "port": port}],
        "ipFamilies": ["IPv4"],
        "clusterIP": address,
        "clusterIPs": [address],
    }
    objects.put("Service", msgspec.convert({"metadata": metadata, "spec": spec}, Service))


def put_endpoint(objects: Objects, service: str, port: int, address: str = "10.0.0.1") -> None:
    """Add an EndpointSlice of a Service: one endpoint, which is a port of 127.0.0.1."""
    metadata = {
        "name": f"{service}-{port}",
        "namespace": NAMESPACE,
        "labels": {"kubernetes.io/service-name": service},
    }
    body = {
        "metadata": metadata,
        "addressType": "IPv4",
        "ports": [{"port": port}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
    objects.put("EndpointSlice", msgspec.convert(body, EndpointSlice))


def put_secret(objects: Objects, name: str, kind: str, **values: bytes) -> None:
    """Add a Secret; the names of values have underscores for dots."""
    data = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in values.items()}
    body = {"metadata": {"name": name, "namespace": NAMESPACE}, "type": kind, "data": data}
    objects.put("Secret", msgspec.convert(body, Secret))


def put_certificate(objects: Objects, name: str, pair: KeyPair) -> None:
    """Add the Secret of a certificate."""
    put_secret(objects, name, "kubernetes.io/tls", tls_crt=pair.certificate, tls_key=pair.key)


@contextlib.asynccontextmanager
async def served(folder: Path, edge: Edge, ingresses: Ingresses, objects: Objects) -> AsyncIterator[Side]:
    """Serve the Ingresses; yield once the Envoy has all."""
    translation = IngressTranslation(ingresses, objects)
    pair = Authority.create("test").server()
    translation.default = Certificate("default", pair.certificate.decode(), pair.key.decode())
    first = translation.difference(ingresses.hosts, (), certificates=True)
    proxies = Proxies(lambda _: None)
    made = proxies.add("edge", (moved(one, edge) for one in first.upserts))
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    settings = bootstrap.Bootstrap("envoy", "edge", str(folder / "xds"), 0, str(folder / "admin"))
    envoy = Envoy(folder, settings, [configuration.passwords_cluster(str(folder))])
    envoy.start()
    try:
        async with passwords.serving(str(folder)):
            keys = [one.key for one in made.snapshot]
            await until(lambda: bool(made.envoys()) and not made.lacking(keys), "Envoy has all")
            yield Side(edge, envoy, made, translation)
    finally:
        envoy.kill()
        await server.stop()


def moved(one: Resource, edge: Edge) -> Resource:
    """Listeners and endpoints are on 127.0.0.1, where no endpoint of a Service can be."""
    if one.type_url == LISTENER:
        listener = listener_pb2.Listener.FromString(one.body)
        address = listener.address.socket_address
        address.port_value = edge.https if address.port_value == PROXY_PORTS[HTTPS] else edge.http
        address.address, address.ipv4_compat = "127.0.0.1", False
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        for group in found.endpoints:
            for endpoint in group.lb_endpoints:
                endpoint.endpoint.address.socket_address.address = "127.0.0.1"
        return msgspec.structs.replace(one, body=found.SerializeToString())
    return one
