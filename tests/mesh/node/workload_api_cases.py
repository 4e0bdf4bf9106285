"""The Workload API with gRPC clients; who they are is what the test's kernel says of their connection.

Run by `test_grpc_programs`. Each test is a fork of a process in which gRPC has not served.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from podwire.kernel.elements import IPAddress
from podwire.mesh.identity.spiffe import Spiffe
from podwire.mesh.node.certificates import Certificates
from podwire.mesh.node.jwt_svids import JwtSvids
from podwire.mesh.node.workload_api import MOST_OF_ONE, SOCKET, WorkloadApi
from podwire.mesh.node.workload_messages import HEADER
from tests.mesh.node.test_certificates import BACK, FRONT, FakeSigner, until
from tests.mesh.node.test_token_messages import message as token_message
from tests.mesh.node.test_workload_messages import message
from tests.sandbox import sandboxed

ADDRESSES = {ipaddress.ip_address("10.1.0.1"): FRONT, ipaddress.ip_address("10.1.0.2"): BACK}
HEADERS = ((HEADER, "true"),)


class Node:
    """A node whose next connection comes from `address`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = "10.1.0.1"
        self.signer = FakeSigner()
        self.certificates = Certificates(self.signer)
        self.certificates.trust(self.signer.bundle())
        self.api = WorkloadApi(
            self.certificates,
            self._identify,
            "cluster.local",
            JwtSvids(self.signer, self.certificates, "cluster.local"),
            self._find,
        )

    def _identify(self, address: IPAddress) -> Spiffe | None:
        return ADDRESSES.get(address)

    def _find(self, _: socket.socket) -> frozenset[IPAddress]:
        if not self.address:
            raise ProcessLookupError(3, "the process that connected has ended")
        return frozenset(map(ipaddress.ip_address, self.address.split(",")))

    @property
    def target(self) -> str:
        return f"unix:{self.folder / SOCKET}"


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Node]:
    with tempfile.TemporaryDirectory(prefix="podwire-") as text:  # the path of a socket is 107 bytes at most
        node = Node(Path(text))
        private = node.folder / "private"
        private.mkdir(mode=0o700)
        tasks = [
            asyncio.create_task(node.certificates.run()),
            asyncio.create_task(node.api.serve(text, str(private))),
        ]
        try:
            await until((node.folder / SOCKET).exists)
            yield node
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def call(node: Node, method: str = "FetchX509SVID", headers: Any = HEADERS) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(node.target, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        stream = channel.unary_stream(f"/SpiffeWorkloadAPI/{method}")(b"", metadata=headers, timeout=60)
        yield stream
        stream.cancel()


def identity(body: bytes) -> str:
    (svid,) = message("X509SVIDResponse").FromString(body).svids
    return str(svid.spiffe_id)


@sandboxed
async def test_each_caller_gets_its_own_identity_whether_it_is_enrolled_or_not() -> None:
    async with served() as node, call(node) as first:
        assert identity(await first.read()) == str(FRONT)
        node.address = "10.1.0.2"
        async with call(node) as second:
            assert identity(await second.read()) == str(BACK)


@sandboxed
async def test_a_node_has_the_keys_of_those_that_are_connected() -> None:
    async with served() as node:
        _, writer = await asyncio.open_unix_connection(node.folder / SOCKET)
        await until(lambda: node.certificates.leaves.keys() == {FRONT})
        writer.close()
        await until(lambda: not node.certificates.leaves)


@pytest.mark.parametrize("address", ["10.9.9.9", "10.1.0.1,10.1.0.2", "10.1.0.1,10.9.9.9", ""])
@sandboxed
async def test_who_is_not_known_for_sure_gets_nothing(address: str) -> None:
    async with served() as node:
        node.address = address
        async with call(node) as stream:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stream.read()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert not node.signer.messages or not any(one.requests for one in node.signer.messages)


@sandboxed
async def test_the_inner_socket_knows_nobody() -> None:
    async with served() as node:
        node.folder = node.folder / "private"
        (node.folder / SOCKET).symlink_to("workload-api")
        async with call(node) as stream:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stream.read()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


@sandboxed
async def test_a_call_without_the_security_header_is_refused() -> None:
    async with served() as node:
        for headers in ((), ((HEADER, "false"),)):
            for method in ("FetchX509SVID", "FetchX509Bundles", "FetchJWTBundles"):
                async with call(node, method, headers) as stream:
                    with pytest.raises(grpc.aio.AioRpcError) as refused:
                        await stream.read()
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@sandboxed
async def test_a_client_receives_what_changes() -> None:
    async with served() as node, call(node) as stream, call(node, "FetchX509Bundles") as bundles:
        first = await stream.read()
        kind = message("X509BundlesResponse")
        assert len(kind.FromString(await bundles.read()).bundles["spiffe://cluster.local"]) > 0
        other = FakeSigner()
        node.certificates.trust(
            type(node.signer.bundle())(node.signer.bundle().roots + other.bundle().roots, issuer=node.signer.issuer)
        )
        second = await stream.read()
        assert len(second) > len(first)
        assert len(kind.FromString(await bundles.read()).bundles["spiffe://cluster.local"]) > 0


async def unary(node: Node, method: str, body: bytes) -> bytes:
    async with grpc.aio.insecure_channel(node.target, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        found = await channel.unary_unary(f"/SpiffeWorkloadAPI/{method}")(body, metadata=HEADERS, timeout=60)
    assert isinstance(found, bytes)
    return found


def token_request(*audiences: str, spiffe_id: str = "") -> bytes:
    found = token_message("JWTSVIDRequest")(audience=audiences, spiffe_id=spiffe_id).SerializeToString()
    assert isinstance(found, bytes)
    return found


async def token(node: Node, *audiences: str) -> str:
    (found,) = (
        token_message("JWTSVIDResponse").FromString(await unary(node, "FetchJWTSVID", token_request(*audiences))).svids
    )
    return str(found.svid)


@sandboxed
async def test_a_caller_gets_a_token_that_others_can_verify() -> None:
    async with served() as node:
        made = await token(node, "db")
        assert await token(node, "db") == made
        assert len(node.signer.token_requests) == 1, "it is kept"
        node.address = "10.1.0.2"
        body = token_message("ValidateJWTSVIDRequest")(audience="db", svid=made).SerializeToString()
        found = token_message("ValidateJWTSVIDResponse").FromString(await unary(node, "ValidateJWTSVID", body))
        assert (found.spiffe_id, found.claims["sub"]) == (str(FRONT), str(FRONT))
        body = token_message("ValidateJWTSVIDRequest")(audience="web", svid=made).SerializeToString()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unary(node, "ValidateJWTSVID", body)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        async with call(node, "FetchJWTBundles") as stream:
            (keys,) = token_message("JWTBundlesResponse").FromString(await stream.read()).bundles.values()
        assert keys.decode() == node.signer.bundle().token_keys


@sandboxed
async def test_a_caller_gets_no_token_of_another_and_none_without_audience() -> None:
    status = grpc.StatusCode
    async with served() as node:
        for body, code in (
            (token_request("db", spiffe_id=str(BACK)), status.PERMISSION_DENIED),
            (token_request(), status.INVALID_ARGUMENT),
            (b"\xff", status.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unary(node, "FetchJWTSVID", body)
            assert refused.value.code() is code
        assert node.signer.token_requests == []
        node.signer.refused.add(str(FRONT))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await token(node, "db")
        assert refused.value.code() is status.PERMISSION_DENIED
        node.signer.is_away = True
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await token(node, "db")
        assert refused.value.code() is status.UNAVAILABLE


@sandboxed
async def test_one_identity_has_so_many_connections_and_no_more() -> None:
    async with served() as node:
        held = [await asyncio.open_unix_connection(node.folder / SOCKET) for _ in range(MOST_OF_ONE)]
        await until(lambda: len(node.api._callers) == MOST_OF_ONE)
        reader, writer = await asyncio.open_unix_connection(node.folder / SOCKET)
        async with asyncio.timeout(60):
            assert await reader.read(1) == b""
        writer.close()
        node.address = "10.1.0.2"
        async with call(node) as stream:
            assert identity(await stream.read()) == str(BACK)
        for _, one in held:
            one.close()
        await until(lambda: FRONT not in node.api._callers.values())


@sandboxed
async def test_methods_that_are_not_served_are_unimplemented() -> None:
    async with served() as node, grpc.aio.insecure_channel(node.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/SpiffeWorkloadAPI/FetchWITSVID")(b"", metadata=HEADERS, timeout=60)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
