"""Requests a second through a Gateway, beside the same Envoy with a static configuration, nginx and haproxy.

Everything is on 127.0.0.1, one worker each, and the samples alternate: only ratios count. The static configurations are
written by hand: `plain` routes and nothing else; `edge` has what Envoy's documentation of edge proxies demands and an
access log, as a Gateway has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from tests.children import ENDS_WITH_PARENT
from tests.edge.controller.real_gateway import CLASS, NAMESPACE, RealGateway
from tests.edge.nginx.process import Nginx, free_ports, is_open, program
from tests.edge.xds.real_envoy import BINARY, Envoy, until

from bench import http_load
from bench.figure import Figure
from bench.http_load import PEERS, Load, NoLoadClientError
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer

CONNECTIONS = 32
HOST = "app.example.com"
PATIENCE_SECONDS = 30.0
_TYPE = "type.googleapis.com/envoy.extensions"


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield the rates and their ratios. Raises NoLoadClientError where wrk or nginx is missing."""
    if not program():
        raise NoLoadClientError("nginx is missing: sh tools/peers.sh nginx")
    seconds, rounds = (1.0, 2) if quick else (3.0, 7)
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), seconds, rounds))
    ours = found.pop("Gateway")
    shown = f"Gateway, two backends, {CONNECTIONS} connections"
    yield Figure(f"{shown}: requests a second", _median(ours, lambda one: one.rate), "/s")
    yield Figure(f"{shown}: p99", _median(ours, lambda one: one.p99), "ms")
    for name, theirs in found.items():
        ratio = statistics.median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))
        peer = f"{_median(theirs, lambda one: one.rate):,.0f}/s, p99 {_median(theirs, lambda one: one.p99):.2f} ms"
        goal = 0.97 if name == "static Envoy, edge" else None
        yield Figure(f"{shown}: rate to that of {name}", ratio, "x", goal, peer, at_least=True)


def _median(loads: list[Load], value: Callable[[Load], float]) -> float:
    return statistics.median(map(value, loads))


async def _measure(folder: Path, seconds: float, rounds: int) -> dict[str, list[Load]]:
    first, second, *free = free_ports(7)
    backends = Nginx(folder / "backends", _backends(first, second), 1)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(backends.kill)
        backends.start(first)
        edges = {"Gateway": free[0], "static Envoy, edge": free[1], "static Envoy, plain": free[2], "nginx": free[3]}
        await stack.enter_async_context(_gateway(folder, free[0], (first, second)))
        for name, port in list(edges.items())[1:3]:
            text = json.dumps(static_configuration(port, (first, second), is_edge=name.endswith("edge")))
            stack.enter_context(running(folder / f"{port}.log", port, BINARY, "--config-yaml", text, *ENVOY_FLAGS))
        nginx = Nginx(folder / "nginx", _nginx(free[3], (first, second)), 1)
        stack.callback(nginx.kill)
        nginx.start(free[3])
        if haproxy := _haproxy():
            edges["haproxy"] = free[4]
            (folder / "haproxy.cfg").write_text(_haproxy_text(free[4], (first, second)))
            stack.enter_context(running(folder / "haproxy.log", free[4], haproxy, "-f", str(folder / "haproxy.cfg")))
        return await asyncio.to_thread(_samples, edges, seconds, rounds)


def _samples(edges: dict[str, int], seconds: float, rounds: int) -> dict[str, list[Load]]:
    found: dict[str, list[Load]] = {name: [] for name in edges}
    for name, port in list(edges.items()) * rounds:
        url = f"http://127.0.0.1:{port}/"
        load = http_load.measure(url, seconds, connections=CONNECTIONS, host=HOST)
        if load.failed:
            raise RuntimeError(f"{name}: {load.failed} answers are errors")
        found[name].append(load)
    return found


@contextlib.asynccontextmanager
async def _gateway(folder: Path, port: int, backends: tuple[int, int]) -> AsyncIterator[None]:
    """Serve a Gateway with a route to two Services on a port of 127.0.0.1."""
    resources = [_placed(one, port, backends) for one in _resources(folder)]
    proxies = Proxies(lambda _: None)
    proxy = proxies.add(CLASS, resources)
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy-0", CLASS, str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        keys = [one.key for one in proxy.snapshot]
        await until(lambda: bool(proxy.envoys()) and not proxy.lacking(keys), "acknowledged")
        await until(lambda: is_open(port), "listening")
        yield
    finally:
        envoy.kill()
        await server.stop()


def _resources(folder: Path) -> tuple[Resource, ...]:
    found = RealGateway(folder)
    for name in ("first", "second"):
        found.put_service(name)
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    found.put("Gateway", "edge", spec={"gatewayClassName": CLASS, "listeners": [listener]})
    references = [{"name": name, "port": 80} for name in ("first", "second")]
    spec = {"parentRefs": [{"name": "edge"}], "hostnames": [HOST], "rules": [{"backendRefs": references}]}
    found.put("HTTPRoute", "app", spec=spec)
    return found.resources()


def _placed(one: Resource, port: int, backends: tuple[int, int]) -> Resource:
    """Listeners and endpoints are on 127.0.0.1, where no endpoint of a Service can be."""
    if one.type_url == LISTENER:
        listener = listener_pb2.Listener.FromString(one.body)
        address = listener.address.socket_address
        address.address, address.port_value, address.ipv4_compat = "127.0.0.1", port, False
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        for endpoint in (each for group in found.endpoints for each in group.lb_endpoints):
            address = endpoint.endpoint.address.socket_address
            address.address, address.port_value = "127.0.0.1", backends[f"{NAMESPACE}/first" not in one.name]
        return msgspec.structs.replace(one, body=found.SerializeToString())
    return one


ENVOY_FLAGS = ("--concurrency", "1", "-l", "warning", "--disable-hot-restart", "--file-flush-interval-msec", "1000")


def static_configuration(port: int, backends: tuple[int, int], *, is_edge: bool) -> dict[str, Any]:
    names = ("first", "second")
    weighted = {"clusters": [{"name": name, "weight": 1} for name in names]}
    host = {
        "name": "app",
        "domains": [HOST],
        "routes": [{"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}}],
    }
    router = {"@type": f"{_TYPE}.filters.http.router.v3.Router"}
    manager = {
        "@type": f"{_TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        **(_EDGE if is_edge else {}),
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    clusters = [
        {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": [_locality(one)]}}
        for name, one in zip(names, backends, strict=True)
    ]
    listener: dict[str, Any] = {"name": "edge", "address": _address(port), "filter_chains": [chain]}
    if is_edge:
        listener["per_connection_buffer_limit_bytes"] = 32768
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


_LOG = {
    "@type": f"{_TYPE}.access_loggers.file.v3.FileAccessLog",
    "path": "/dev/stdout",
    "log_format": {
        "json_format": {
            "start_time": "%START_TIME%",
            "method": "%REQ(:METHOD)%",
            "authority": "%REQ(:AUTHORITY)%",
            "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
            "response_code": "%RESPONSE_CODE%",
            "response_flags": "%RESPONSE_FLAGS%",
            "bytes_received": "%BYTES_RECEIVED%",
            "bytes_sent": "%BYTES_SENT%",
            "duration": "%DURATION%",
            "route_name": "%ROUTE_NAME%",
            "upstream_cluster": "%UPSTREAM_CLUSTER%",
            "upstream_host": "%UPSTREAM_HOST%",
            "user_agent": "%REQ(USER-AGENT)%",
            "x_request_id": "%REQ(X-REQUEST-ID)%",
        }
    },
}
_EDGE: dict[str, Any] = {
    "use_remote_address": True,
    "normalize_path": True,
    "merge_slashes": True,
    "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
    "common_http_protocol_options": {"idle_timeout": "3600s", "headers_with_underscores_action": "REJECT_REQUEST"},
    "stream_idle_timeout": "300s",
    "request_timeout": "300s",
    "access_log": [{"name": "envoy.access_loggers.file", "typed_config": _LOG}],
}
"""Source: Envoy's documentation, "Configuring Envoy as an edge proxy"; the access log has the fields of a Gateway's."""


def _locality(port: int) -> dict[str, Any]:
    return {"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _backends(*ports: int) -> str:
    listen = " ".join(f"listen 127.0.0.1:{port};" for port in ports)
    text = "x" * 100
    return f'access_log off; keepalive_requests 1000000;\nserver {{ {listen} location / {{ return 200 "{text}"; }} }}\n'


def _nginx(port: int, backends: tuple[int, int]) -> str:
    servers = " ".join(f"server 127.0.0.1:{one};" for one in backends)
    return f"""
access_log access.log; keepalive_requests 1000000; proxy_http_version 1.1; proxy_set_header Connection "";
upstream app {{ {servers} keepalive 320; keepalive_requests 1000000; }}
server {{ listen 127.0.0.1:{port}; server_name {HOST}; location / {{ proxy_pass http://app; }} }}
"""


def _haproxy() -> str:
    """Return the program; empty where it is not unpacked."""
    found = PEERS / "usr/sbin/haproxy"
    return str(found) if found.is_file() else ""


def _haproxy_text(port: int, backends: tuple[int, int]) -> str:
    servers = "".join(f"  server s{one} 127.0.0.1:{one}\n" for one in backends)
    return f"""
global
  nbthread 1
defaults
  mode http
  timeout client 1m
  timeout server 1m
  timeout connect 5s
  http-reuse always
frontend edge
  bind 127.0.0.1:{port}
  option httplog
  log stdout format raw local0
  default_backend app
backend app
{servers}"""


@contextlib.contextmanager
def running(log: Path, port: int, *command: str) -> Iterator[None]:
    """Run a program; the block begins once its port is open. Raises RuntimeError with its output."""
    folders = {str(one.parent) for one in (Path(sys.prefix, "peers/usr/lib")).glob("*/*.so.*")}
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)} if command[0].endswith("haproxy") else None
    with log.open("wb") as output:
        process = subprocess.Popen([*ENDS_WITH_PARENT, *command], stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_open(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]}: {log.read_text()}")
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait()
