"""Calls of several kinds, one after the other: a program that `gateway_world.py` starts in a world.

call_program.py JSON     a list of Call; prints a list of Reply
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

import msgspec

from tests.edge.world.http_clients import Session, Target, answer_of, connected, request_of

PATIENCE_SECONDS = 10.0
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


class Call(msgspec.Struct, frozen=True):
    """`kind` is http, grpc or websocket; `authority` is PEM for gRPC over TLS."""

    kind: str
    target: Target
    authority: str = ""


class Reply(msgspec.Struct, frozen=True):
    """`answer` is a status of HTTP, a code of gRPC, or the exception; `certificate` is its serial number."""

    answer: str
    body: str = ""
    certificate: str = ""


async def http(call: Call) -> Reply:
    link = await connected(call.target)
    serial = ""
    if call.target.tls:
        from cryptography import x509

        found = x509.load_der_x509_certificate(link[1].get_extra_info("ssl_object").getpeercert(binary_form=True))
        serial = f"{found.serial_number:x}"
    try:
        if call.target.h2:
            session = Session(call.target, link)
            status, body = await session.request()
            session.close()
        else:
            link[1].write(request_of(call.target))
            status, _, body = await answer_of(link[0])
    finally:
        link[1].close()
    return Reply(str(status), body.decode(errors="replace"), serial)


def grpc_call(call: Call) -> Reply:
    import grpc

    target = call.target
    address = f"[{target.address}]:{target.port}" if ":" in target.address else f"{target.address}:{target.port}"
    options = (("grpc.default_authority", target.host), ("grpc.ssl_target_name_override", target.host))
    channel = (
        grpc.secure_channel(address, grpc.ssl_channel_credentials(call.authority.encode()), options)
        if call.authority
        else grpc.insecure_channel(address, options)
    )
    with channel:
        try:
            answer = channel.unary_unary(target.path)(b"", timeout=PATIENCE_SECONDS)
        except grpc.RpcError as error:
            return Reply(error.code().name, error.details() or "")
    return Reply("OK", "SERVING" if answer == SERVING else repr(answer))


def websocket_call(call: Call) -> Reply:
    import websocket

    target = call.target
    with contextlib.closing(websocket.WebSocket()) as link:
        link.settimeout(PATIENCE_SECONDS)
        authority = f"[{target.address}]" if ":" in target.address else target.address
        try:
            link.connect(  # type: ignore[no-untyped-call]
                f"ws://{authority}:{target.port}{target.path}", host=target.host
            )
            link.send("hello")
            return Reply("101", str(link.recv()))
        except websocket.WebSocketBadStatusException as error:
            return Reply(str(error.status_code))
        except websocket.WebSocketException as error:
            return Reply(type(error).__name__, str(error))


async def reply(call: Call) -> Reply:
    try:
        if call.kind == "http":
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await http(call)
        return await asyncio.to_thread(grpc_call if call.kind == "grpc" else websocket_call, call)
    except (OSError, EOFError) as error:
        return Reply(type(error).__name__, str(error))


async def main(text: str) -> None:
    calls = msgspec.json.decode(text, type=list[Call])
    sys.stdout.write(msgspec.json.encode([await reply(one) for one in calls]).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
