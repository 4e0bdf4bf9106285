"""The route that `edge/model/choice.py` names is the one that a real Envoy takes, for random routes and requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from envoy.config.route.v3 import route_components_pb2
from google.protobuf import json_format

from podwire.edge.envoy.rows import resources
from podwire.edge.model.choice import Request, tried, virtual_host_of
from podwire.edge.model.filters import Header
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Answer, Route, RouteName, VirtualHost
from tests.edge.xds.real_envoy import BINARY, response, until

TABLE = "t"
HOSTS, REQUESTS = 60, 30
PATHS = ("/", "/a", "/A", "/a/", "/a/b", "/ab", "/a/b/c", "/b", "/v1/x", "/v22")
EXPRESSIONS = ("/a.*", "/v[0-9]+", "/(a|b)", "/a|/b", "[^/]*")
VALUES = ("1", "2", "12", "a", "A", "")
METHODS = ("GET", "POST", "DELETE")
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def random_values(dice: random.Random) -> tuple[ValueMatch, ...]:
    names = dice.sample(("x-one", "x-two"), dice.choice((0, 0, 0, 1, 1, 2)))
    return tuple(random_value(dice, name) for name in names)


def random_value(dice: random.Random, name: str) -> ValueMatch:
    match kind := dice.choice(tuple(ValueType)):
        case ValueType.EXACT:
            return ValueMatch(name, kind, dice.choice(VALUES[:-1]))
        case ValueType.REGEX:
            return ValueMatch(name, kind, dice.choice(("[0-9]+", "a|1", ".*", "1")))
        case _:
            return ValueMatch(name, kind)


def random_match(dice: random.Random) -> Match:
    kind = dice.choice(tuple(PathType))
    value = dice.choice(EXPRESSIONS if kind is PathType.REGEX else PATHS)
    if kind is PathType.PREFIX:
        value = value.rstrip("/") or "/"
    ignore_case = kind is not PathType.REGEX and dice.random() < 0.2
    method = dice.choice(("", "", "", *METHODS))
    path = PathMatch(kind, value, ignore_case)
    return Match(path, method, random_values(dice), random_values(dice), is_grpc=dice.random() < 0.1)


def random_host(dice: random.Random, number: int) -> VirtualHost:
    routes = [
        Route(RouteName("HTTPRoute", "shop", "web", index), random_match(dice), Answer(200, f"route-{index}"))
        for index in range(dice.randint(1, 8))
    ]
    domain = dice.choice((f"h{number}.example.com", f"*.h{number}.example.com"))
    return VirtualHost(TABLE, domain, tuple(routes))


def random_request(dice: random.Random, number: int) -> Request:
    host = dice.choice((f"h{number}.example.com", f"a.h{number}.example.com", f"a.b.H{number}.example.com"))
    names = [dice.choice(("x-one", "X-Two", "x-two")) for _ in range(dice.randint(0, 3))]
    query = tuple((dice.choice(("x-one", "x-two")), dice.choice(VALUES)) for _ in range(dice.randint(0, 3)))
    headers = [Header(name, dice.choice(VALUES)) for name in names]
    if dice.random() < 0.2:
        headers.append(Header("content-type", dice.choice(("application/grpc", "application/grpc+x", "text/plain"))))
    return Request(host, dice.choice(PATHS), dice.choice(METHODS), query, tuple(headers))


def configuration(hosts: Iterable[VirtualHost], entry: Path) -> dict[str, Any]:
    """Return a bootstrap configuration of one listener with these virtual hosts."""
    messages = [route_components_pb2.VirtualHost.FromString(one.body) for host in hosts for one in resources(host)]
    table = {"virtual_hosts": [json_format.MessageToDict(one, preserving_proto_field_name=True) for one in messages]}
    manager = {
        "@type": HCM,
        "stat_prefix": "test",
        "strip_any_host_port": True,
        "route_config": table,
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": "test", "address": {"pipe": {"path": str(entry)}}, "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener]}}


def accepts(path: Path) -> bool:
    """Whether a process listens on a socket: the file is there a moment before."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextlib.asynccontextmanager
async def envoy(folder: Path, hosts: Iterable[VirtualHost]) -> AsyncIterator[Path]:
    """A real Envoy with these hosts on the socket that is returned."""
    entry, file = folder / "in", folder / "envoy.json"
    file.write_text(json.dumps(configuration(hosts, entry)))
    arguments = ("-c", str(file), "--concurrency", "1", "-l", "error", "--disable-hot-restart")
    process = await asyncio.create_subprocess_exec(BINARY, *arguments)
    try:
        await until(lambda: process.returncode is not None or accepts(entry), "Envoy's socket")
        yield entry
    finally:
        process.kill()
        await process.wait()


async def taken_by_envoy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> str:
    """Return the name of the route, or the status where there is none. A gRPC response has it in its status."""
    target = f"{request.path}?{urlencode(request.query)}" if request.query else request.path
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {request.host}:80", "Content-Length: 0"]
    lines += [f"{one.name}: {one.value}" for one in request.headers]
    writer.write("\r\n".join((*lines, "", "")).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    copy = asyncio.StreamReader()
    copy.feed_data(head)
    size = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
    copy.feed_data(await reader.readexactly(size))
    status, body = await response(copy)
    message = next((line[13:].strip() for line in head.split(b"\r\n") if line.startswith(b"grpc-message:")), b"")
    return (body or message).decode() or str(status)


def taken_by_model(hosts: Iterable[VirtualHost], request: Request) -> str:
    host = virtual_host_of(hosts, TABLE, request.host)
    found = [one for one in tried(host, request) if one.is_taken] if host is not None else []
    return f"route-{found[0].route.name.rule}" if found else "none"


def described(host: VirtualHost) -> str:
    return "\n".join(str(one.match) for one in host.routes)


async def test_envoy_takes_the_route_that_the_model_names(tmp_path: Path) -> None:
    dice = random.Random(11)
    hosts = [random_host(dice, number) for number in range(HOSTS)]
    outcomes = set()
    async with envoy(tmp_path, hosts) as entry:
        reader, writer = await asyncio.open_unix_connection(str(entry))
        for number in range(HOSTS):
            for _ in range(REQUESTS):
                request = random_request(dice, number)
                expected, seen = taken_by_model(hosts, request), await taken_by_envoy(reader, writer, request)
                outcome = seen if seen.startswith("route-") else "none"
                assert outcome == expected, f"{request}\n{hosts[number].domain}\n{described(hosts[number])}"
                outcomes.add(outcome)
        writer.close()
    assert {"none", "route-0", "route-1", "route-2"} <= outcomes
