"""A backend that speaks gRPC: it answers with the metadata that it received."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from podwire.pki.certificates import KeyPair

SERVICE = "echo.Echo"
SAY, COUNT, FAIL = (f"/{SERVICE}/{name}" for name in ("Say", "Count", "Fail"))
_COMPARED = ("x-mine", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-scheme")


async def _say(message: bytes, context: Any) -> bytes:
    received = dict(context.invocation_metadata())
    return json.dumps({"bytes": len(message), **{name: received.get(name) for name in _COMPARED}}).encode()


async def _count(message: bytes, _: Any) -> AsyncIterator[bytes]:
    for number in range(int(message)):
        yield str(number).encode()


async def _fail(_: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "nothing is here", (("x-of", "calls"),))
    return b""


@contextlib.asynccontextmanager
async def serving(port: int, pair: KeyPair | None = None) -> AsyncIterator[None]:
    """Serve on a port of 127.0.0.1 while the context lasts, by TLS with a certificate."""
    server = grpc.aio.server()
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(_say),
        "Count": grpc.unary_stream_rpc_method_handler(_count),
        "Fail": grpc.unary_unary_rpc_method_handler(_fail),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if pair is None:
        server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate)])
        server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
