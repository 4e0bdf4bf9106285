"""A real Envoy whose listeners, backends, admin interface and control plane are unix sockets: no port of the host."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.resources
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_pb2
from google.protobuf import json_format

from podwire.edge.xds import bootstrap
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, VIRTUAL_HOST, Key, Resource

DRAIN_SECONDS = 1
"""For which a removed listener serves the connections that it has."""
BINARY = str(importlib.resources.files("envoy") / "_bin" / "envoy")
_T = "type.googleapis.com/envoy."
_HCM = f"{_T}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = f"{_T}extensions.filters.http.router.v3.Router"
_ADS = {"ads": {}, "resource_api_version": "V3"}
_IMPORTED = (http_connection_manager_pb2, router_pb2, tls_pb2)  # messages inside Any


def _resource(type_url: str, name: str, message: Any, values: Mapping[str, Any], **needs: tuple[Key, ...]) -> Resource:
    body = json_format.ParseDict(values, message).SerializeToString(deterministic=True)
    return Resource(type_url, name, hashlib.blake2b(body, digest_size=8).hexdigest(), body, **needs)


def cluster(name: str, **values: Any) -> Resource:
    warms: tuple[Key, ...] = ((ENDPOINTS, name),)
    eds = {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": _ADS}, "connect_timeout": "1s", **values}
    return _resource(CLUSTER, name, cluster_pb2.Cluster(), eds, warms=warms)


def endpoints(name: str, *sockets: Path) -> Resource:
    found = [{"endpoint": {"address": {"pipe": {"path": str(one)}}}} for one in sockets]
    values = {"cluster_name": name, "endpoints": [{"lb_endpoints": found}]}
    return _resource(ENDPOINTS, name, endpoint_pb2.ClusterLoadAssignment(), values)


def listener(name: str, socket: Path, table: str, secret: str = "", **values: Any) -> Resource:
    manager = {
        "@type": _HCM,
        "stat_prefix": name,
        "rds": {"route_config_name": table, "config_source": _ADS},
        "http_filters": [{"name": "router", "typed_config": {"@type": _ROUTER}}],
    }
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": manager}]}
    warms: tuple[Key, ...] = ((ROUTES, table),)
    if secret:
        certificate = {"name": secret, "sds_config": _ADS}
        context = {
            "@type": f"{_T}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificate_sds_secret_configs": [certificate]},
        }
        chain["transport_socket"] = {"name": "tls", "typed_config": context}
        warms += ((SECRET, secret),)
    address = {"pipe": {"path": str(socket)}}
    whole = {"name": name, "address": address, "filter_chains": [chain], **values}
    return _resource(LISTENER, name, listener_pb2.Listener(), whole, warms=warms)


def routes(table: str) -> Resource:
    values = {"name": table, "vhds": {"config_source": _ADS}}
    return _resource(ROUTES, table, route_pb2.RouteConfiguration(), values, warms=((VIRTUAL_HOST, table),))


def host(table: str, domain: str, cluster_name: str = "", **values: Any) -> Resource:
    """Return a virtual host that leads to a cluster, or responds 200 itself."""
    action = {"route": {"cluster": cluster_name}} if cluster_name else {"direct_response": {"status": 200}}
    whole = {"name": f"{table}/{domain}", "domains": [domain], "routes": [{"match": {"prefix": "/"}, **action}]}
    requires = ((CLUSTER, cluster_name),) if cluster_name else ()
    message = route_components_pb2.VirtualHost()
    return _resource(VIRTUAL_HOST, f"{table}/{domain}", message, {**whole, **values}, requires=requires)


def secret(name: str, certificate: bytes, key: bytes) -> Resource:
    values = {
        "name": name,
        "tls_certificate": {
            "certificate_chain": {"inline_string": certificate.decode()},
            "private_key": {"inline_string": key.decode()},
        },
    }
    return _resource(SECRET, name, secret_pb2.Secret(), values)


class Envoy:
    """One process of Envoy."""

    def __init__(self, folder: Path, settings: bootstrap.Bootstrap, clusters: Sequence[dict[str, Any]] = ()) -> None:
        self.node = settings.node
        self.admin = Path(settings.admin_socket)
        self._configuration = folder / f"{settings.node}.json"
        whole = bootstrap.configuration(settings)
        whole["static_resources"]["clusters"] += clusters
        self._configuration.write_text(json.dumps(whole))
        self._log = folder / f"{settings.node}.log"
        self._requests = folder / f"{settings.node}.requests"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = ["--concurrency", "1", "-l", "warning", "--disable-hot-restart"]
        arguments += ["--drain-time-s", str(DRAIN_SECONDS), "--file-flush-interval-msec", "50"]
        with self._log.open("ab") as log, self._requests.open("ab") as requests:
            command = [BINARY, "-c", str(self._configuration), *arguments]
            self._process = subprocess.Popen(command, stdout=requests, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def resident_bytes(self) -> int:
        assert self._process is not None
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> str:
        return self._log.read_text()

    def access_log(self) -> list[str]:
        """Return the whole lines that are written by now; Envoy writes them within a second."""
        return self._requests.read_text().split("\n")[:-1]

    async def statistic(self, name: str) -> int:
        """Return the value of a counter or gauge."""
        _, body = await request(self.admin, "envoy", f"/stats?filter=^{name}$&format=json")
        return int(next((one["value"] for one in json.loads(body)["stats"] if one.get("name") == name), 0))


async def request(socket: Path, domain: str, path: str = "/", **tls: Any) -> tuple[int, bytes]:
    """Send one request on a connection of its own; returns status and body."""
    reader, writer = await asyncio.open_unix_connection(str(socket), **tls)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n".encode())
        return await response(reader)
    finally:
        writer.close()


async def response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one response; returns status and body."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    fields = dict(one.split(b": ", 1) for one in lines if one)
    if fields.get(b"transfer-encoding") == b"chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:size]
    else:
        body = await reader.readexactly(int(fields.get(b"content-length", 0)))
    return int(status.split()[1]), body


class Backend:
    """An HTTP server on a unix socket that responds with its name."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.socket))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            os.unlink(self.socket)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = self.socket.name.encode()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def is_listening(path: Path) -> bool:
    """Whether a unix socket takes connections: its file exists before Envoy listens."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


async def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until the condition is true; raises AssertionError after that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.01)
