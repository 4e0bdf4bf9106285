"""What a probe does over the network: an HTTP request, or a call of gRPC's health service.

Sources: k8s.io/kubernetes `pkg/probe/http/http.go`, `pkg/probe/grpc/grpc.go`.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from podwire.kube.core import GRPCAction, HTTPGetAction
from podwire.lab.base import grpc_health
from podwire.lab.base.grpc_health import HealthClient, Outcome

USER_AGENT = "kube-probe/1.37"
MOST_REDIRECTS = 10
CHUNK = 16 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Answer(msgspec.Struct, frozen=True):
    """One answer of a probe and, for a failure, what was seen."""

    success: bool
    message: str = ""


async def http_get(action: HTTPGetAction, address: str, port: int) -> Answer:
    """GET and judge the status. Redirects to the same host are followed; one to another host is a success.

    Raises OSError, aiohttp.ClientError and ValueError.
    """
    url = f"{action.scheme.lower()}://{_bracketed(action.host or address)}:{port}/{action.path.removeprefix('/')}"
    # A pod's certificate names no address: as upstream, the probe does not verify it.
    connector = aiohttp.TCPConnector(ssl=_unverified() if "HTTPS" in action.scheme else False, force_close=True)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    headers |= {header.name: header.value for header in action.http_headers}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        for _ in range(MOST_REDIRECTS):
            async with session.get(url, allow_redirects=False) as response:
                target = urljoin(url, response.headers.get("Location", url))
                local = urlsplit(target).hostname == urlsplit(url).hostname
                if response.status not in REDIRECTS or target == url or not local:
                    success = 200 <= response.status < 400
                    return Answer(success, f"HTTP probe failed with statuscode: {response.status}")
                url = target
    return Answer(False, f"stopped after {MOST_REDIRECTS} redirects")


async def grpc_check(action: GRPCAction, address: str, timeout_seconds: float) -> Answer:
    """Call `grpc.health.v1.Health/Check` and judge the answer. Messages are upstream's."""
    target = f"{_bracketed(address)}:{action.port}"
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(address, action.port)
    except TimeoutError:
        return Answer(False, f'timeout: failed to connect service "{target}" within {timeout_seconds:g}s')
    except OSError as error:
        return Answer(False, f'error: failed to connect service at "{target}": {error}')
    try:
        async with asyncio.timeout(timeout_seconds):
            return _judged(await _called(HealthClient(target, action.service, USER_AGENT), reader, writer))
    except TimeoutError:
        return Answer(False, f"timeout: health rpc did not complete within {timeout_seconds:g}s")
    except (OSError, ValueError) as error:
        return Answer(False, f"error: health rpc probe failed: {error}")
    finally:
        writer.close()


async def _called(client: HealthClient, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Outcome:
    writer.write(client.start)
    while client.outcome is None:
        data = await reader.read(CHUNK)
        if not data:
            raise ConnectionError("the server closed the connection")
        writer.write(client.receive(data))
        await writer.drain()
    return client.outcome


def _judged(outcome: Outcome) -> Answer:
    if outcome.code == grpc_health.UNIMPLEMENTED:
        unknown = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return Answer(False, f"error: {unknown}: {outcome.message}")
    if outcome.code != grpc_health.OK:
        named = outcome.code < len(grpc_health.CODES)
        code = grpc_health.CODES[outcome.code] if named else f"Code({outcome.code})"
        return Answer(False, f"error: health rpc probe failed: rpc error: code = {code} desc = {outcome.message}")
    if outcome.health != grpc_health.SERVING:
        known = outcome.health < len(grpc_health.STATUS_NAMES)
        name = grpc_health.STATUS_NAMES[outcome.health] if known else str(outcome.health)
        return Answer(False, f'service unhealthy (responded with "{name}")')
    return Answer(True)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the machine's authorities, which take 30 ms to read
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
