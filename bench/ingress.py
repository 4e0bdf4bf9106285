"""Ingresses beside Debian's nginx with an equivalent configuration: requests a second and latency, one worker each.

All log every request, as ingress-nginx and podwire do by default. Beside them are two Envoys with a configuration
written by hand: one does what the Ingresses ask for, one (plain text only) forwards and does nothing else. Backend,
edges and client share the machine, and the samples of the edges alternate, so only ratios count.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from tests.edge.ingress.objects import ingress, path
from tests.edge.nginx.envoy_side import Edge, put_certificate, put_service, served
from tests.edge.nginx.process import Nginx, free_ports, program
from tests.edge.xds.real_envoy import BINARY

from bench import http_load, ingress_static
from bench.figure import Figure
from bench.gateway_requests import ENVOY_FLAGS, HOST, running, static_configuration
from bench.http_load import Load, NoLoadClientError
from bench.isolation import processor_seconds
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses
from podwire.pki.certificates import Authority, KeyPair

CONNECTIONS = 32
GOAL = 0.8
HAND_GOAL = 0.97
MOST = 1_000_000
"""Requests a second of the limit: none is refused."""
PLAIN, SECURE = HOST, "secure.example.com"
CASES = {
    "plain": ("http", PLAIN, "/"),
    "TLS": ("https", SECURE, "/"),
    "rewrite": ("http", "rewrite.example.com", "/api/users"),
    "rate limit": ("http", "limits.example.com", "/"),
}
"""By name: scheme, host and path."""
HOSTS = ingress_static.Hosts(PLAIN, SECURE, CASES["rewrite"][1], CASES["rate limit"][1], MOST)


class Sample(msgspec.Struct, frozen=True):
    """One run, and the edge's processor time for a request, in microseconds: a busy machine changes it less."""

    load: Load
    processor: float


class Samples(msgspec.Struct, frozen=True):
    """The samples of one case.

    `hand` are those of an Envoy that does the same by hand, `bare` of one that only forwards, in plain text only.
    """

    nginx: tuple[Sample, ...]
    envoy: tuple[Sample, ...]
    hand: tuple[Sample, ...]
    bare: tuple[Sample, ...] = ()


def _ratio(ours: tuple[Sample, ...], theirs: tuple[Sample, ...]) -> float:
    """Return the median of the ratios of neighbouring samples' rates."""
    return statistics.median(one.load.rate / other.load.rate for one, other in zip(ours, theirs, strict=True))


def _processor(samples: tuple[Sample, ...]) -> float:
    return statistics.median(one.processor for one in samples)


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield each case. Raises NoLoadClientError where wrk or nginx is missing."""
    if not program():
        raise NoLoadClientError("nginx is missing: sh tools/peers.sh nginx")
    seconds, rounds = (1.0, 3) if quick else (3.0, 7)
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), seconds, rounds))
    for name, pair in found.items():
        if pair.bare:
            floor = f"Ingress, {name}: rate of an Envoy that only forwards, without log"
            yield Figure(f"{floor}, to nginx's", _ratio(pair.bare, pair.nginx), "x")
        yield Figure(f"Ingress, {name}: rate of an Envoy by hand to nginx's", _ratio(pair.hand, pair.nginx), "x")
        ours = f"Ingress, {name}: rate to that of an Envoy by hand"
        yield Figure(ours, _ratio(pair.envoy, pair.hand), "x", HAND_GOAL, at_least=True)
        shown = f"Ingress, {name}, {CONNECTIONS} connections"
        rates = [statistics.median(one.load.rate for one in samples) for samples in (pair.envoy, pair.nginx)]
        slowest = [statistics.median(one.load.p99 for one in samples) for samples in (pair.envoy, pair.nginx)]
        yield Figure(f"{shown}: requests a second", rates[0], "/s", peer=f"nginx {rates[1]:,.0f}/s")
        yield Figure(f"{shown}: p99", slowest[0], "ms", peer=f"nginx {slowest[1]:.2f} ms")
        peers = f"nginx {_processor(pair.nginx):.0f} us, Envoy by hand {_processor(pair.hand):.0f} us"
        yield Figure(f"{shown}: processor time of a request", _processor(pair.envoy), "us", peer=peers)
        yield Figure(f"{shown}: rate to nginx's", _ratio(pair.envoy, pair.nginx), "x", GOAL, at_least=True)


async def _measure(folder: Path, seconds: float, rounds: int) -> dict[str, Samples]:
    ports = free_ports(8)
    nginx, envoy, hand, backend, bare = Edge(*ports[:2]), Edge(*ports[2:4]), Edge(*ports[4:6]), *ports[6:]
    pair = Authority.create().server(names=(SECURE,), addresses=())
    objects, ingresses = _ingresses(backend, pair)
    certificate = folder / "secure.pem"
    certificate.write_bytes(pair.certificate + pair.key)
    processes: dict[int, frozenset[int]] = {}
    static = {
        hand.http: ingress_static.edge(hand.http, hand.https, backend, HOSTS, certificate),
        bare: static_configuration(bare, (backend, backend), is_edge=False),
    }
    async with AsyncExitStack() as stack:
        for name, text, port in (
            ("backend", _backend(backend), backend),
            ("nginx", _nginx(nginx, backend, certificate), nginx.http),
        ):
            server = Nginx(folder / name, text, 1)
            stack.callback(server.kill)
            server.start(port)
            processes[port] = _children(os.getpid()).difference(*processes.values())
        await stack.enter_async_context(served(folder, envoy, ingresses, objects))
        processes[envoy.http] = _children(os.getpid()).difference(*processes.values())
        for port, configuration in static.items():
            command = (BINARY, "--config-yaml", json.dumps(configuration), *ENVOY_FLAGS)
            stack.enter_context(running(folder / f"{port}.log", port, *command))
            processes[port] = _children(os.getpid()).difference(*processes.values())
        found = {}
        for name, case in CASES.items():
            edges = (nginx, envoy, hand, Edge(bare, bare)) if name == "plain" else (nginx, envoy, hand)
            found[name] = await asyncio.to_thread(_samples, edges, processes, case, seconds, rounds)
        return found


def _children(pid: int) -> frozenset[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return frozenset(int(one) for file in files for one in file.read_text().split())


def _processor_seconds(pids: frozenset[int]) -> float:
    """Of an edge's processes with their workers."""
    return sum(processor_seconds(one) for pid in pids for one in (pid, *_children(pid)))


def _samples(
    edges: tuple[Edge, ...],
    processes: Mapping[int, frozenset[int]],
    case: tuple[str, str, str],
    seconds: float,
    rounds: int,
) -> Samples:
    """Return samples of the edges in turn; `processes` are theirs by their port of plain HTTP."""
    scheme, host, target = case
    samples: dict[Edge, list[Sample]] = {edge: [] for edge in edges}
    for edge in edges * rounds:
        url = f"{edge.urls[scheme == 'https']}{target}"
        before = _processor_seconds(processes[edge.http])
        found = http_load.measure(url, seconds, connections=CONNECTIONS, host=host)
        used = _processor_seconds(processes[edge.http]) - before
        if found.failed:
            raise RuntimeError(f"{found.failed} answers of {url} are errors")
        samples[edge].append(Sample(found, used / (found.rate * seconds) * 1e6))
    return Samples(*(tuple(one) for one in samples.values()))


def _ingresses(backend: int, pair: KeyPair) -> tuple[Objects, Ingresses]:
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    put_service(objects, "web", backend)
    put_certificate(objects, "secure", pair)
    certified = ({"hosts": [SECURE], "secretName": "secure"},)
    ingresses.put(ingress("plain", path("/"), host=PLAIN))
    ingresses.put(ingress("secure", path("/"), host=SECURE, tls=certified))
    paths = path("/api(/|$)(.*)", path_type="ImplementationSpecific")
    ingresses.put(ingress("rewrite", paths, host=CASES["rewrite"][1], rewrite_target="/$2"))
    ingresses.put(ingress("limits", path("/"), host=CASES["rate limit"][1], limit_rps=str(MOST)))
    return objects, ingresses


def _backend(port: int) -> str:
    return f"""
access_log off; keepalive_requests 1000000;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{"x" * 100}"; }} }}
"""


def _nginx(edge: Edge, backend: int, certificate: Path) -> str:
    """By the rules of ingress-nginx: keepalive connections, its log format, its headers to backends."""
    listen = f"listen 127.0.0.1:{edge.http}; listen 127.0.0.1:{edge.https} ssl http2;"
    return f"""
log_format upstreaminfo '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" $request_length $request_time [$server_name] [] $upstream_addr $upstream_response_length '
    '$upstream_response_time $upstream_status $request_id';
access_log access.log upstreaminfo;
keepalive_requests 1000000; tcp_nopush on; proxy_buffering off;
ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_session_cache shared:SSL:10m;
upstream web {{ server 127.0.0.1:{backend}; keepalive 320; keepalive_requests 10000; }}
limit_req_zone $binary_remote_addr zone=rps:5m rate={MOST}r/s;
proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
proxy_set_header X-Request-ID $request_id; proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Scheme $scheme; proxy_set_header X-Scheme $scheme; proxy_set_header Proxy "";
server {{ {listen} server_name {PLAIN}; location / {{ proxy_pass http://web; }} }}
server {{ {listen} server_name {SECURE}; location / {{ proxy_pass http://web; }} }}
server {{
    {listen} server_name {CASES["rewrite"][1]};
    location ~* "^/api(/|$)(.*)" {{ rewrite "(?i)/api(/|$)(.*)" /$2 break; proxy_pass http://web; }}
}}
server {{
    {listen} server_name {CASES["rate limit"][1]};
    location / {{ limit_req zone=rps burst={5 * MOST} nodelay; proxy_pass http://web; }}
}}
"""
