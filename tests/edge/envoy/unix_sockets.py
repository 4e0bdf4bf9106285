"""Listeners and backends of resources on unix sockets, so that a real Envoy needs no port of the host."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import msgspec
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.envoy import rows
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from tests.edge.xds.real_envoy import Envoy, is_listening, until


def moved(one: Resource, folder: Path) -> Resource:
    """Move what it names: port P of Gateway G to `G-P`, a Service and a collector to its name; UDP to 127.0.0.1."""
    if one.type_url == LISTENER:
        listener = listener_pb2.Listener.FromString(one.body)
        _, gateway, port, protocol = one.name.split("/")
        if protocol == "UDP":
            listener.address.socket_address.address = "127.0.0.1"
            listener.address.socket_address.ipv4_compat = False
        else:
            listener.address.pipe.path = str(folder / f"{gateway}-{port}")
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        _move_endpoints(found, folder / one.name.partition("/")[2].partition(":")[0])
        return msgspec.structs.replace(one, body=found.SerializeToString())
    if one.type_url == CLUSTER and one.name.startswith("collector/"):
        cluster = cluster_pb2.Cluster.FromString(one.body)
        cluster.type = cluster_pb2.Cluster.STATIC
        _move_endpoints(cluster.load_assignment, folder / one.name.split("/")[2])
        return msgspec.structs.replace(one, body=cluster.SerializeToString())
    return one


def sockets(resources: Iterable[Resource], folder: Path) -> list[Path]:
    """Return the unix sockets that an Envoy with these listens on."""
    names = (one.name.split("/") for one in resources if one.type_url == LISTENER)
    return [folder / f"{gateway}-{port}" for _, gateway, port, protocol in names if protocol == "TCP"]


def _move_endpoints(found: endpoint_pb2.ClusterLoadAssignment, socket: Path) -> None:
    for locality in found.endpoints:
        for each in locality.lb_endpoints:
            each.endpoint.address.pipe.path = str(socket)


@contextlib.asynccontextmanager
async def envoy_with(folder: Path, wanted: Iterable[rows.Row]) -> AsyncIterator[tuple[Envoy, Proxy]]:
    """Run an Envoy that has these rows; none may be refused."""
    resources = [moved(one, folder) for row in wanted for one in rows.resources(row)]
    proxies = Proxies(lambda _: None)
    proxy = proxies.add("edge", resources)
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy-0", "edge", str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        keys = [one.key for one in proxy.snapshot]
        await until(
            lambda: bool(proxy.envoys()) and not proxy.lacking([key for key in keys if not proxy.refusal(key)]),
            "acknowledged",
        )
        assert {key: proxy.refusal(key) for key in keys if proxy.refusal(key)} == {}
        await until(lambda: all(is_listening(one) for one in sockets(resources, folder)), "listening", 60)
        yield envoy, proxy
    finally:
        envoy.kill()
        await server.stop()
