"""The same calls of gRPC by nginx and by podwire's Envoy: backend-protocol GRPC and GRPCS."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest

from tests.edge.nginx.calls import COUNT, FAIL, SAY
from tests.edge.nginx.conftest import Served
from tests.edge.nginx.envoy_side import Edge

pytestmark = pytest.mark.asyncio(loop_scope="package")
SECONDS = 30.0


def channel(served: Served, edge: Edge, host: str) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(served.sides.authority)
    options = (("grpc.ssl_target_name_override", host), ("grpc.default_authority", host))
    return grpc.aio.secure_channel(f"127.0.0.1:{edge.https}", credentials, options)


async def outcomes(served: Served, edge: Edge, host: str) -> list[Any]:
    """Return what a client gets of each kind of call: replies, or the status with its details and metadata."""
    found: list[Any] = []
    async with channel(served, edge, host) as opened:
        say, metadata = opened.unary_unary(SAY), (("x-mine", "1"),)
        found += [await say(one, timeout=SECONDS, metadata=metadata) for one in (b"", b"hello", b"x" * 100_000)]
        found.append([one async for one in opened.unary_stream(COUNT)(b"3", timeout=SECONDS)])
        for method in (FAIL, "/echo.Echo/Unknown"):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await opened.unary_unary(method)(b"", timeout=SECONDS)
            trailers = dict(failed.value.trailing_metadata() or ())
            found.append((failed.value.code(), failed.value.details(), trailers.get("x-of")))
    return found


@pytest.mark.parametrize("host", ["calls.certified.example.com", "encrypted-calls.certified.example.com"])
async def test_calls_have_the_same_outcome(served: Served, host: str) -> None:
    old, new = [await outcomes(served, edge, host) for edge in (served.sides.nginx, served.sides.envoy)]
    assert old == new
    assert [one for one in new if isinstance(one, tuple)] == [
        (grpc.StatusCode.NOT_FOUND, "nothing is here", "calls"),
        (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", None),
    ]
    assert new[3] == [b"0", b"1", b"2"]


async def test_a_backend_of_another_protocol_has_no_calls(served: Served) -> None:
    for edge in (served.sides.nginx, served.sides.envoy):
        async with channel(served, edge, "no-calls.certified.example.com") as opened:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await opened.unary_unary(SAY)(b"", timeout=SECONDS)
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE, edge
