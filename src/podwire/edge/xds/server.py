"""The delta ADS service over gRPC: messages of the wire to and from the sessions of the proxies.

At most one response of a type is in flight on a stream and the next one is made when it is written, so nothing queues
(grpc #21348). Sources: envoy/service/discovery/v3/discovery.proto; grpc's doc/keepalive.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import msgspec
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from podwire.edge.xds.messages import Request, Response
from podwire.edge.xds.proxy import Connection, Proxies, Proxy

log = logging.getLogger(__name__)

REQUEST_BYTES = 64 << 20
"""The first request of a type that an Envoy sends on another stream has each name and version that it holds."""

STOP_SECONDS = 1.0

OPTIONS = (
    ("grpc.max_receive_message_length", REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # An Envoy that has vanished is disconnected within 15 seconds; gRPC's ping timeout alone is a minute.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Envoys send pings of their own (podwire.edge.xds.bootstrap).
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A port in use is an error.
    ("grpc.so_reuseport", 0),
)


class ServerCredentials(msgspec.Struct, frozen=True):
    """PEM: the server's certificate and key, and the authority that signs the certificates of Envoys."""

    certificate: bytes
    key: bytes
    authority: bytes


class DiscoveryServer:
    """Serves the proxies. An Envoy of a proxy that does not exist is disconnected and keeps what it has.

    With credentials an Envoy needs a certificate whose common name is its proxy. They are read for each handshake.
    """

    def __init__(self, proxies: Proxies, credentials: Callable[[], ServerCredentials] | None) -> None:
        self._proxies = proxies
        self._credentials = credentials
        self._server: Any = None

    async def start(self, address: str) -> int:
        """Listen on `host:port` or `unix:path`; returns the port. Raises OSError where that is not possible."""
        self._server = grpc.aio.server(options=OPTIONS)
        service = _Service(self._proxies, is_checked=self._credentials is not None)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(service, self._server)
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, _server_credentials(self._credentials))
        except RuntimeError as error:
            raise OSError(f"xDS cannot listen on {address}: {error}") from error
        await self._server.start()
        return int(port)

    async def stop(self) -> None:
        """Close the listener and end all streams; those that do not end within a second are cancelled."""
        if self._server is not None:
            for proxy in self._proxies.all():
                proxy.close()
            await self._server.stop(STOP_SECONDS)


class _Service(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # generated without types
    def __init__(self, proxies: Proxies, *, is_checked: bool) -> None:
        self._proxies = proxies
        self._is_checked = is_checked

    async def DeltaAggregatedResources(self, _: object, context: Any) -> None:  # noqa: N802  # the name in the .proto
        """Serve the stream of one Envoy."""
        first = await context.read()
        if first is grpc.aio.EOF:
            return
        proxy = await self._proxy(first, context)
        due = asyncio.Event()
        connection = proxy.connect(first.node.id, due.set)
        log.info("proxy %s: Envoy %s is connected from %s", proxy.name, connection.node, context.peer())
        try:
            connection.receive(await _request(first, context))
            await _until_first(_receive(connection, context), _send(connection, due, context))
        finally:
            proxy.disconnect(connection)
            log.info("proxy %s: Envoy %s is disconnected", proxy.name, connection.node)

    async def _proxy(self, first: Any, context: Any) -> Proxy:
        """Return the proxy of the Envoy, or end the stream."""
        name = first.node.cluster
        if self._is_checked and _common_names(context) != [name]:
            log.warning("an Envoy from %s has no certificate of proxy %s", context.peer(), name)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"the certificate is not of proxy {name}")
        proxy = self._proxies.get(name)
        if proxy is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"proxy {name} is not served here, or not yet")
        assert proxy is not None, "abort raises"
        return proxy


async def _receive(connection: Connection, context: Any) -> None:
    while (message := await context.read()) is not grpc.aio.EOF:
        connection.receive(await _request(message, context))


async def _send(connection: Connection, due: asyncio.Event, context: Any) -> None:
    while not connection.is_closed:
        due.clear()
        for response in connection.responses():
            await context.write(_message(response))
        await due.wait()


async def _until_first(*parts: Any) -> None:
    """Run the parts until one ends, and end the others; raises what it raised."""
    tasks = [asyncio.ensure_future(one) for one in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _request(message: Any, context: Any) -> Request:
    if not message.type_url:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "type_url is missing")
    error = ""
    if message.HasField("error_detail"):
        error = message.error_detail.message or f"code {message.error_detail.code}, no message"
    return Request(
        message.type_url,
        tuple(message.resource_names_subscribe),
        tuple(message.resource_names_unsubscribe),
        dict(message.initial_resource_versions),
        message.response_nonce,
        error,
    )


def _message(response: Response) -> Any:
    message = discovery_pb2.DeltaDiscoveryResponse(
        type_url=response.type_url, nonce=response.nonce, removed_resources=response.removed
    )
    for one in response.resources:
        added = message.resources.add(name=one.name, version=one.version)
        added.resource.type_url = one.type_url
        added.resource.value = one.body
    return message


def _common_names(context: Any) -> list[str]:
    return [one.decode() for one in context.auth_context().get("x509_common_name", ())]


def _server_credentials(read: Callable[[], ServerCredentials]) -> Any:
    current = read()

    def configuration(credentials: ServerCredentials) -> Any:
        pair = (credentials.key, credentials.certificate)
        return grpc.ssl_server_certificate_configuration([pair], credentials.authority)

    def changed() -> Any:
        nonlocal current
        latest = read()
        if latest == current:
            return None
        current = latest
        return configuration(latest)

    return grpc.dynamic_ssl_server_credentials(configuration(current), changed, require_client_authentication=True)
