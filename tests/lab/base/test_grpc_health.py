"""The health service of gRPC: its client against its server, and against what foreign servers send."""

from __future__ import annotations

import pytest

from podwire.lab.base import grpc_health, hpack, http2
from podwire.lab.base.grpc_health import NOT_SERVING, SERVING, HealthClient, HealthServer, Outcome
from podwire.lab.base.http2 import Frame, FrameReader, Http2Error


def health(service: str) -> int | None:
    return {"": SERVING, "shop.Cart": SERVING, "shop.Mail": NOT_SERVING, "größe": SERVING}.get(service)


def call(service: str, chunk: int = 10_000) -> Outcome:
    """One call between the two ends, in pieces of so many bytes."""
    client, server = HealthClient("10.0.0.1:50051", service, "kube-probe/1.37"), HealthServer(health)
    to_server = client.start
    while client.outcome is None:
        assert to_server, "nobody sends anything"
        to_client = b"".join(server.receive(to_server[at : at + chunk]) for at in range(0, len(to_server), chunk))
        to_server = b"".join(client.receive(to_client[at : at + chunk]) for at in range(0, len(to_client), chunk))
    return client.outcome


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_a_call_by_service(chunk: int) -> None:
    assert call("", chunk) == Outcome(0, health=SERVING)
    assert call("shop.Cart", chunk) == Outcome(0, health=SERVING)
    assert call("größe", chunk) == Outcome(0, health=SERVING)
    assert call("shop.Mail", chunk) == Outcome(0, health=NOT_SERVING)
    assert call("other", chunk) == Outcome(5, "unknown service")


def test_a_long_name_of_a_service() -> None:
    assert call("x" * 300) == Outcome(5, "unknown service")


def test_another_method_is_unimplemented() -> None:
    server = HealthServer(health)
    head = hpack.encode([(":method", "POST"), (":path", "/grpc.health.v1.Health/Watch")])
    frames = Frame(http2.HEADERS, http2.END_HEADERS, 1, head), Frame(http2.DATA, http2.END_STREAM, 1, b"\0\0\0\0\0")
    replies = FrameReader().feed(server.receive(http2.PREFACE + b"".join(map(bytes, frames))))
    headers = dict(hpack.Decoder().decode(replies[-1].payload))
    assert (headers["grpc-status"], replies[-1].ends_stream) == ("12", True)


def test_several_calls_of_one_connection() -> None:
    server, reader, decoder = HealthServer(health), FrameReader(), hpack.Decoder()
    client = HealthClient("a", "shop.Cart", "test")
    reader.feed(server.receive(client.start))
    for stream in (3, 5):
        request = [
            Frame(http2.HEADERS, http2.END_HEADERS, stream, hpack.encode([(":path", grpc_health.CHECK_PATH)])),
            Frame(http2.DATA, http2.END_STREAM, stream, b"\0\0\0\0\0"),
        ]
        replies = reader.feed(server.receive(b"".join(map(bytes, request))))
        assert {reply.stream for reply in replies} == {stream}
        assert dict(decoder.decode(replies[-1].payload)) == {"grpc-status": "0"}


def test_settings_and_pings_are_acknowledged_in_both_directions() -> None:
    client, server = HealthClient("a", "", "test"), HealthServer(health)
    ping = bytes(Frame(http2.PING, 0, 0, b"12345678"))
    settings = bytes(Frame(http2.SETTINGS))
    expected = bytes(Frame(http2.SETTINGS, http2.ACK)) + bytes(Frame(http2.PING, http2.ACK, 0, b"12345678"))
    assert client.receive(settings + ping) == expected
    assert server.receive(http2.PREFACE + settings + ping) == settings + expected
    assert server.receive(bytes(Frame(http2.PING, http2.ACK, 0, b"12345678"))) == b"", "an answer needs none"


def test_padding_priority_and_continuations_are_read() -> None:
    server, reader = HealthServer(health), FrameReader()
    block = hpack.encode([(":path", grpc_health.CHECK_PATH)])
    first = b"\x02" + b"\0\0\0\0\x10" + block[:5] + b"\0\0"
    frames = [
        Frame(http2.HEADERS, http2.PADDED | http2.PRIORITY, 1, first),
        Frame(http2.CONTINUATION, http2.END_HEADERS, 1, block[5:]),
        Frame(http2.DATA, http2.PADDED | http2.END_STREAM, 1, b"\x03" + b"\0\0\0\0\0" + b"\0\0\0"),
    ]
    replies = reader.feed(server.receive(http2.PREFACE + b"".join(map(bytes, frames))))
    assert replies[-2].payload == b"\0\0\0\0\x02\x08\x01"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([Frame(http2.RST_STREAM, 0, 1, b"\0\0\0\x02")], 13),
        ([Frame(http2.GOAWAY, 0, 0, b"\0" * 8)], 14),
        ([Frame(http2.HEADERS, http2.END_HEADERS, 1, hpack.encode([(":status", "404")]))], 12),
        ([Frame(http2.DATA, http2.END_STREAM, 1, b"")], 2),
    ],
)
def test_servers_that_do_not_answer(frames: list[Frame], code: int) -> None:
    client = HealthClient("a", "", "test")
    client.receive(b"".join(map(bytes, frames)))
    assert client.outcome is not None
    assert client.outcome.code == code


def test_bytes_that_are_no_http2() -> None:
    with pytest.raises(Http2Error):
        HealthServer(health).receive(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(Http2Error):
        HealthClient("a", "", "test").receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(Http2Error):
        HealthServer(health).receive(http2.PREFACE + bytes(Frame(http2.CONTINUATION, 0, 1, b"")))
