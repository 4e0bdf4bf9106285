"""What `explain url` shows of a request is what a real Envoy does with it, whose objects the controller translates."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from podwire.insight.url.explain import explain
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.question import Question, question
from podwire.insight.url.report import Kind
from podwire.pki.certificates import Authority
from tests.edge.controller.real_gateway import RealGateway, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("web", "canary", "api")
LISTENERS = [
    {"name": "any", "port": 80, "protocol": "HTTP"},
    {"name": "one", "port": 80, "protocol": "HTTP", "hostname": "one.example.org"},
    {"name": "tls", "port": 443, "protocol": "HTTPS", "hostname": "*.example.org",
     "tls": {"certificateRefs": [{"name": "server"}]}},
    {"name": "secure", "port": 443, "protocol": "HTTPS", "hostname": "secure.example.org",
     "tls": {"certificateRefs": [{"name": "server"}]}},
    {"name": "stream", "port": 9000, "protocol": "TCP"},
    {"name": "unused", "port": 9001, "protocol": "TCP"},
    {"name": "broken", "port": 444, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "absent"}]}},
]  # fmt: skip


def to(*names: str, weight: int = 1) -> dict[str, Any]:
    return {"backendRefs": [{"name": name, "port": 80, "weight": weight} for name in names]}


def path(value: str, kind: str = "PathPrefix", **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": value}, **more}


def rewrite(**fields: Any) -> dict[str, Any]:
    return {"filters": [{"type": "URLRewrite", "urlRewrite": fields}]}


def redirect(**fields: Any) -> dict[str, Any]:
    return {"filters": [{"type": "RequestRedirect", "requestRedirect": fields}]}


RULES = [
    {"matches": [path("/")], **to("web")},
    {"matches": [path("/exact", "Exact")], **to("api")},
    {"matches": [path("/exact")], **to("canary")},
    {"matches": [path("/v[0-9]+/.*", "RegularExpression")], **to("api")},
    {"matches": [path("/", headers=[{"name": "X-Version", "value": "v2"}])], **to("canary")},
    {"matches": [path("/", method="DELETE")], **to("api")},
    {"matches": [path("/", queryParams=[{"name": "q", "value": "a"}])], **to("canary")},
    {"matches": [path("/strip")], **rewrite(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}),
     **to("api")},
    {"matches": [path("/swap")], **rewrite(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new/"}),
     **to("api")},
    {"matches": [path("/whole")], **rewrite(path={"type": "ReplaceFullPath", "replaceFullPath": "/all"}, hostname="b"),
     **to("api")},
    {"matches": [path("/moved")],
     **redirect(path={"type": "ReplacePrefixMatch", "replacePrefixMatch": "/there"}, statusCode=301)},
    {"matches": [path("/secure")], **redirect(scheme="https", hostname="secure.example.org")},
    {"matches": [path("/absent")], **to("absent")},
    {"matches": [path("/nobody")]},
    {"matches": [path("/zero")], **to("web", weight=0)},
    {"matches": [path("/empty")], **to("empty")},
]  # fmt: skip


class Case(NamedTuple):
    """A request."""

    url: str
    method: str = "GET"
    headers: tuple[str, ...] = ()


CASES = [
    *(Case(f"http://app.example.org{one}") for one in (
        "/", "/exact", "/exact/", "/exact/more", "/exactly", "/v1/x", "/v/x", "/v1", "/a/../exact", "//exact",
        "/strip", "/strip/", "/strip/a/b", "/swap", "/swap/", "/swap/a", "/whole/x", "/moved", "/moved/",
        "/moved/x?y=1",
        "/secure/x", "/absent", "/nobody", "/zero", "/empty", "/?q=a", "/?q=b", "/?q=b&q=a", "/%65xact", "/a%2fb",
    )),
    Case("http://app.example.org/", headers=("x-version: v2",)),
    Case("http://app.example.org/", headers=("x-version: v3",)),
    Case("http://app.example.org/exact/x", headers=("x-version: v2",)),
    Case("http://app.example.org/", "DELETE"),
    Case("http://app.example.org/", headers=("x_under: 1",)),
    Case("http://APP.example.org./exact"),
    Case("http://other.org/"),
    Case("http://one.example.org/"),
    Case("http://10.0.0.1/"),
    Case("https://app.example.org/exact"),
    Case("https://app.example.org/moved/x"),
    Case("https://secure.example.org/"),
    Case("https://app.example.org/", headers=("Host: secure.example.org",)),
    Case("https://app.example.org/", headers=("Host: other.org",)),
    Case("https://other.org/"),
    Case("http://app.example.org:443/"),
    Case("https://app.example.org:80/"),
    Case("http://app.example.org:444/"),
    Case("http://any.org:9000/stream"),
    Case("http://any.org:9001/stream"),
]  # fmt: skip


class Answer(NamedTuple):
    """What a client gets: 0 for a connection that fails. `service` and `path`: what the backend had."""

    status: int
    location: str = ""
    service: str = ""
    path: str = ""


@contextlib.asynccontextmanager
async def backend(folder: Path, name: str) -> AsyncIterator[None]:
    """Run a backend that answers with its name and the path that it received."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = f"{name} {head.split()[1].decode()}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_unix_server(serve, str(folder / name))
    try:
        yield
    finally:
        server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealGateway]:
    folder = tmp_path_factory.mktemp("e")
    async with contextlib.AsyncExitStack() as stack:
        found = await stack.enter_async_context(served(folder))
        for name in SERVICES:
            await stack.enter_async_context(backend(folder, name))
            found.put_service(name)
        found.put("Service", "empty", spec={"ports": [{"port": 80}]})
        found.put_pair("server", Authority.create("servers").server(("*.example.org",)))
        status = {"addresses": [{"type": "IPAddress", "value": "10.0.0.1"}]}
        found.put("Gateway", "gw", spec={"gatewayClassName": "edge", "listeners": LISTENERS}, status=status)
        parent = {"parentRefs": [{"name": "gw"}]}
        found.put("HTTPRoute", "app", spec={**parent, "hostnames": ["app.example.org"], "rules": RULES})
        found.put(
            "HTTPRoute", "secure",
            spec={"parentRefs": [{"name": "gw", "sectionName": "secure"}], "rules": [to("api")]},
        )  # fmt: skip
        found.put(
            "TCPRoute", "stream", spec={"parentRefs": [{"name": "gw", "sectionName": "stream"}], "rules": [to("web")]}
        )
        await found.apply()
        yield found


async def real(folder: Path, wanted: Question) -> Answer:
    """Send the request over the unix socket of its port."""
    context = None
    if wanted.is_tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        opening = asyncio.open_unix_connection(
            str(folder / f"gw-{wanted.port}"), ssl=context, server_hostname=wanted.server_name if context else None
        )
        async with asyncio.timeout(30):
            reader, writer = await opening
            return await exchange(reader, writer, wanted)
    except (OSError, asyncio.IncompleteReadError):
        return Answer(0)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wanted: Question) -> Answer:
    target = "/" + wanted.url.partition("://")[2].partition("/")[2]
    host = wanted.url.partition("://")[2].partition("/")[0]
    named = [f"{one.name}: {one.value}" for one in wanted.request.headers]
    if wanted.request.host not in (wanted.host, host):
        host = wanted.request.host
    head = [f"{wanted.request.method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *named]
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    try:
        status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)}
        body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode().split()
    finally:
        writer.close()
    code = int(status.split()[1])
    service, path = body if code == 200 else ("", "")
    return Answer(code, headers.get("location", ""), service, path)


def explained(gateway: RealGateway, wanted: Question) -> Answer:
    report = explain(wanted, UrlObjects(gateway.objects), datetime.now(UTC))
    outcome = report.outcome
    if outcome.kind not in {Kind.FORWARDED, Kind.PASSED_ON}:
        return Answer(outcome.status if outcome.kind is Kind.ANSWERED else 0, outcome.location)
    (share,) = [one for one in report.backends if one.weight]
    rewritten = [one.rpartition(" becomes ")[2] for one in report.steps if one.startswith("rewrite: path")]
    path = rewritten[0] if rewritten else wanted.request.path
    service = share.backend.partition("/")[2].partition(":")[0]
    return Answer(200, "", service, f"{path}{'?' if wanted.query else ''}{wanted.query}")


@pytest.mark.parametrize("case", CASES, ids=lambda one: f"{one.method} {one.url} {' '.join(one.headers)}".strip())
async def test_the_answer_is_that_of_the_explanation(gateway: RealGateway, case: Case) -> None:
    wanted = question(case.url, "outside", case.method, case.headers)
    assert await real(gateway.folder, wanted) == explained(gateway, wanted)
