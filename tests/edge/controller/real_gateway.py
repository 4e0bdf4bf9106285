"""Gateways in a real Envoy: objects are translated as the controller does it, and all sockets are unix sockets."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import Translation
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.gateway.port_listeners import ports_of
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube.core import ConfigMap, Secret
from podwire.kube.discovery import EndpointSlice
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.pki.certificates import KeyPair
from tests.edge.envoy.unix_sockets import moved, sockets
from tests.edge.xds.real_envoy import Envoy, is_listening, until

CLASS, NAMESPACE = "edge", "shop"
TYPES: dict[str, Any] = {
    **{one.kind: one.type for one in KINDS},
    "Service": Service,
    "EndpointSlice": EndpointSlice,
    "Secret": Secret,
    "ConfigMap": ConfigMap,
}


class RealGateway:
    """Objects, and the Envoy that has what they come to: port P of a Gateway G is the socket `G-P`.

    A Service's endpoints are the socket with its name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = ProxyPorts()
        self.objects = Objects()
        self.translation = Translation(self.objects, lambda _: self.ports)
        self.proxies = Proxies(lambda _: None)
        self.proxy: Proxy = self.proxies.add(CLASS, ())
        self._dirty: set[Owner] = set()
        self.put("GatewayClass", CLASS, spec={"controllerName": CONTROLLER_NAME})

    def put(self, kind: str, name: str, **fields: Any) -> None:
        """Add or replace an object; it has an effect after apply()."""
        metadata = {"name": name, "namespace": "" if kind == "GatewayClass" else NAMESPACE}
        value = {"metadata": metadata, **fields}
        self._dirty.update(self.objects.put(kind, msgspec.convert(value, TYPES[kind])))

    def remove(self, kind: str, name: str) -> None:
        """Remove an object; it has an effect after apply()."""
        self._dirty.update(self.objects.remove(kind, NamespacedName(NAMESPACE, name)))

    def put_pair(self, name: str, pair: KeyPair) -> None:
        """Add a Secret with a certificate and its key."""
        data = {"tls.crt": pair.certificate, "tls.key": pair.key}
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self.put("Secret", name, type="kubernetes.io/tls", data=encoded)

    def put_service(self, name: str, port: int = 80) -> None:
        """Add a Service with one endpoint: the unix socket of its name."""
        self.put("Service", name, spec={"ports": [{"port": port}]})
        slice_ = {
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"port": port, "protocol": "TCP"}],
        }
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": name}}
        self._dirty.update(
            self.objects.put("EndpointSlice", msgspec.convert({"metadata": metadata, **slice_}, EndpointSlice))
        )

    async def apply(self) -> None:
        """Derive what changed; return when Envoy has acknowledged it."""
        wanted = {one.key: moved(one, self.folder) for one in self.resources()}
        removed = {one.key for one in self.proxy.snapshot} - wanted.keys()
        self.proxy.apply(wanted.values(), removed)
        keys = (*wanted, *(one for one in removed if one[0] == LISTENER))  # its hosts stay until it has drained
        await until(lambda: bool(self.proxy.envoys()) and not self.proxy.lacking(keys), "acknowledged")
        await until(lambda: all(is_listening(one) for one in sockets(wanted.values(), self.folder)), "listening")

    def resources(self) -> tuple[Resource, ...]:
        """Derive what changed; return all resources, with addresses as in a cluster."""
        for gateway in self.objects.gateways:
            self.translation.rows_of(self._dirty)
            self.ports.require(ports_of(self.translation.states(gateway)))
            self._dirty.add(Owner("Gateway", gateway.namespace, gateway.name))
        self.translation.rows_of(self._dirty)
        self._dirty.clear()
        return self.translation.resources(CLASS)


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[RealGateway]:
    """Run an Envoy whose control plane is the returned Gateway's translation."""
    gateway = RealGateway(folder)
    server = DiscoveryServer(gateway.proxies, None)
    await server.start(f"unix:{folder}/xds")
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy-0", CLASS, str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        yield gateway
    finally:
        envoy.kill()
        await server.stop()
