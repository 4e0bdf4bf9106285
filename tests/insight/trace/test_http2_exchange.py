"""A request over HTTP/2, with the other end written by hand."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from podwire.insight.trace.http2_exchange import ExchangeError, exchange
from podwire.lab.base import hpack, http2
from podwire.lab.base.http2 import Frame

HEADERS = ((":method", "GET"), (":path", "/"))


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.settimeout(30)
    far.settimeout(30)
    with near, far:
        yield near, far


def answering(far: socket.socket, *frames: Frame) -> threading.Thread:
    """Answer with these frames once the request is there; then close."""

    def serve() -> None:
        reader, received = http2.FrameReader(), far.recv(65536)
        assert received.startswith(http2.PREFACE)
        found = reader.feed(received.removeprefix(http2.PREFACE))
        while not any(one.kind == http2.HEADERS for one in found):
            found += reader.feed(far.recv(65536))
        far.sendall(b"".join(map(bytes, frames)))
        far.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def head(status: str, flags: int = 0) -> Frame:
    block = hpack.encode(((":status", status), ("content-type", "text/plain")))
    return Frame(http2.HEADERS, http2.END_HEADERS | flags, 1, block)


def test_the_response_has_status_headers_and_body(ends: tuple[socket.socket, socket.socket]) -> None:
    frames = (Frame(http2.SETTINGS), head("200"), Frame(http2.DATA, 0, 1, b"a"), Frame(http2.DATA, 1, 1, b"b"))
    thread = answering(ends[1], *frames)
    response = exchange(ends[0], HEADERS)
    thread.join()
    assert (response.status, response.body, response.header("content-type")) == (200, b"ab", "text/plain")


def test_a_response_may_have_no_body(ends: tuple[socket.socket, socket.socket]) -> None:
    thread = answering(ends[1], head("404", http2.END_STREAM))
    assert exchange(ends[0], HEADERS).status == 404
    thread.join()


@pytest.mark.parametrize(
    ("frames", "error"),
    [
        ((Frame(http2.RST_STREAM, 0, 1, (11).to_bytes(4, "big")),), "ended with code 11"),
        ((), "closed without an answer"),
        ((head("200"),), "closed without an answer"),
    ],
)
def test_a_stream_that_ends_early_is_an_error(
    ends: tuple[socket.socket, socket.socket], frames: tuple[Frame, ...], error: str
) -> None:
    thread = answering(ends[1], *frames)
    with pytest.raises(ExchangeError, match=error):
        exchange(ends[0], HEADERS)
    thread.join()
