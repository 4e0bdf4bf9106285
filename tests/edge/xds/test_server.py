"""The xDS server, with a gRPC client in place of an Envoy; everything is on unix sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS
from podwire.edge.xds.server import DiscoveryServer, ServerCredentials
from podwire.pki.certificates import Authority
from tests.edge.xds.envoy_script import cluster, endpoints

SERVER_NAME = "xds.podwire-system.svc"
DEADLINE = 60.0


class Client:
    """One stream of an Envoy."""

    def __init__(self, channel: Any, proxy: str, node: str = "one") -> None:
        self._stream = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources()
        self._node = {"id": node, "cluster": proxy}

    async def send(self, type_url: str, **fields: Any) -> None:
        await self._stream.write(discovery_pb2.DeltaDiscoveryRequest(node=self._node, type_url=type_url, **fields))

    async def receive(self) -> Any:
        return await asyncio.wait_for(self._stream.read(), DEADLINE)

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the end of the stream; returns its status."""
        while True:
            try:
                if await self.receive() is grpc.aio.EOF:
                    break
            except grpc.aio.AioRpcError:
                break
        return await self._stream.code(), await self._stream.details()


@asynccontextmanager
async def serving(folder: Path, proxies: Proxies, credentials: ServerCredentials | None = None) -> AsyncIterator[str]:
    server = DiscoveryServer(proxies, (lambda: credentials) if credentials else None)
    address = f"unix:{folder}/xds"
    await server.start(address)
    try:
        yield address
    finally:
        await server.stop()


def edge() -> tuple[Proxies, Proxy]:
    proxies = Proxies(lambda _: None)
    return proxies, proxies.add("edge", [cluster("c"), endpoints("c")])


async def test_a_change_is_sent_and_its_acknowledgement_is_known(tmp_path: Path) -> None:
    proxies, proxy = edge()
    async with serving(tmp_path, proxies) as address, grpc.aio.insecure_channel(address) as channel:
        client = Client(channel, "edge")
        await client.send(ENDPOINTS, resource_names_subscribe=["c"])
        response = await client.receive()
        assert [(one.name, one.version, one.resource.type_url) for one in response.resources] == [("c", "1", ENDPOINTS)]
        await client.send(ENDPOINTS, response_nonce=response.nonce)
        proxy.apply([], [(ENDPOINTS, "c")])
        response = await client.receive()
        assert list(response.removed_resources) == ["c"]
        assert proxy.lacking([(ENDPOINTS, "c")]) == {"one"}
        await client.send(ENDPOINTS, response_nonce=response.nonce)
        await client.send(CLUSTER)
        await client.receive()
        assert proxy.lacking([(ENDPOINTS, "c")]) == frozenset()


async def test_a_refusal_is_one_by_its_error_even_without_a_message(tmp_path: Path) -> None:
    proxies, proxy = edge()
    async with serving(tmp_path, proxies) as address, grpc.aio.insecure_channel(address) as channel:
        client = Client(channel, "edge")
        await client.send(CLUSTER)
        response = await client.receive()
        await client.send(CLUSTER, response_nonce=response.nonce, error_detail={"code": 3})
        await client.send(ENDPOINTS, resource_names_subscribe=["c"])
        await client.receive()
        assert proxy.refusal((CLUSTER, "c")) == "code 3, no message"


@pytest.mark.parametrize(
    ("proxy", "type_url", "code"),
    [
        ("another", CLUSTER, grpc.StatusCode.UNAVAILABLE),
        ("edge", "", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_cannot_be_served_ends_the_stream(
    tmp_path: Path, proxy: str, type_url: str, code: grpc.StatusCode
) -> None:
    proxies, served = edge()
    async with serving(tmp_path, proxies) as address, grpc.aio.insecure_channel(address) as channel:
        client = Client(channel, proxy)
        await client.send(type_url)
        assert (await client.ended())[0] == code
        assert served.envoys() == frozenset()


async def test_an_envoy_that_does_not_answer_holds_up_no_other(tmp_path: Path) -> None:
    proxies, proxy = edge()
    async with serving(tmp_path, proxies) as address, grpc.aio.insecure_channel(address) as channel:
        silent, other = Client(channel, "edge", "silent"), Client(channel, "edge", "other")
        for client in (silent, other):
            await client.send(ENDPOINTS, resource_names_subscribe=["c"])
        for version in ("2", "3", "4"):
            response = await other.receive()
            await other.send(ENDPOINTS, response_nonce=response.nonce)
            proxy.apply([endpoints("c", version)])
        assert [one.version for one in (await other.receive()).resources] == ["4"]
        assert proxy.lacking([(ENDPOINTS, "c")]) == {"silent", "other"}
        await silent.receive()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(silent.receive(), 0.05)


async def test_a_removed_proxy_ends_the_stream(tmp_path: Path) -> None:
    proxies, _ = edge()
    async with serving(tmp_path, proxies) as address, grpc.aio.insecure_channel(address) as channel:
        client = Client(channel, "edge")
        await client.send(CLUSTER)
        await client.receive()
        proxies.remove("edge")
        await client.ended()


async def test_a_first_request_with_many_versions_is_accepted(tmp_path: Path) -> None:
    """gRPC refuses messages over 4 MiB unless it is allowed more."""
    proxies, _ = edge()
    versions = {f"{number:0100}": "0123456789abcdef" for number in range(50_000)}
    async with serving(tmp_path, proxies) as address, grpc.aio.insecure_channel(address) as channel:
        client = Client(channel, "edge")
        await client.send(ENDPOINTS, resource_names_subscribe=["c"], initial_resource_versions=versions)
        assert [one.name for one in (await client.receive()).resources] == ["c"]


CERTIFICATES = {
    "of the proxy": ("edge", "known", None),
    "of another proxy": ("other", "known", grpc.StatusCode.PERMISSION_DENIED),
    "of a stranger": ("edge", "unknown", grpc.StatusCode.UNAVAILABLE),
    "none": ("", "known", grpc.StatusCode.UNAVAILABLE),
}


@pytest.mark.parametrize(("name", "signer", "refusal"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_an_envoy_needs_the_certificate_of_its_proxy(
    tmp_path: Path, name: str, signer: str, refusal: grpc.StatusCode | None
) -> None:
    authorities = {"known": Authority.create(), "unknown": Authority.create()}
    authority = authorities["known"].pair.certificate
    pair = authorities["known"].server([SERVER_NAME])
    proxies, proxy = edge()
    own = authorities[signer].client(name) if name else None
    credentials = grpc.ssl_channel_credentials(authority, own and own.key, own and own.certificate)
    options = [("grpc.ssl_target_name_override", SERVER_NAME)]
    async with (
        serving(tmp_path, proxies, ServerCredentials(pair.certificate, pair.key, authority)) as address,
        grpc.aio.secure_channel(address, credentials, options) as channel,
    ):
        client = Client(channel, "edge")
        try:
            await client.send(CLUSTER)
        except grpc.aio.AioRpcError:
            assert refusal is not None
        if refusal is None:
            assert [one.name for one in (await client.receive()).resources] == ["c"]
        else:
            assert (await client.ended())[0] == refusal
            assert proxy.envoys() == frozenset()


async def test_renewed_credentials_are_used_for_the_next_handshake(tmp_path: Path) -> None:
    old, new = Authority.create(), Authority.create()
    proxies, _ = edge()
    pairs = {one: one.server([SERVER_NAME]) for one in (old, new)}
    current = [old]
    server = DiscoveryServer(
        proxies,
        lambda: ServerCredentials(pairs[current[0]].certificate, pairs[current[0]].key, current[0].pair.certificate),
    )
    await server.start(f"unix:{tmp_path}/xds")
    try:
        for authority in (old, new):
            current[0] = authority
            own = authority.client("edge")
            credentials = grpc.ssl_channel_credentials(authority.pair.certificate, own.key, own.certificate)
            options = [("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.secure_channel(f"unix:{tmp_path}/xds", credentials, options) as channel:
                client = Client(channel, "edge")
                await client.send(CLUSTER)
                assert [one.name for one in (await client.receive()).resources] == ["c"]
    finally:
        await server.stop()


async def test_an_address_in_use_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="xDS cannot listen on unix:"):
        await DiscoveryServer(edge()[0], None).start(f"unix:{tmp_path}/missing/xds")
