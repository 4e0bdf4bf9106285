"""The state machine: each row of its table, and clients that break the rules."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.lab.streams.forwarding import spdy_session
from podwire.lab.streams.forwarding.spdy_frames import Frame, Kind, encode
from podwire.lab.streams.forwarding.spdy_session import Finished, Opened, Received, Reset, Session
from tests.lab.streams.forwarding.spdy_client import SpdyClient


@pytest.fixture
def client() -> SpdyClient:
    return SpdyClient()


@pytest.fixture
def session() -> Session:
    return Session()


def test_a_stream_from_its_beginning_to_its_end(client: SpdyClient, session: Session) -> None:
    assert session.receive(client.open(1, {"kind": "x"})) == [Opened(1, {"kind": "x"})]
    session.reply(1)
    assert session.receive(client.send(1, b"in")) == [Received(1, b"in")]
    assert session.receive(client.send(1, b"last", finished=True)) == [Received(1, b"last"), Finished(1)]
    session.send(1, b"out")
    session.finish(1)
    session.send(1, b"too late")
    session.finish(1)
    client.hear(session.unsent())
    assert (client.replied, client.data, client.finished) == ({1}, {1: b"out"}, {1})
    assert session.unsent() == b""


def test_a_stream_finished_on_our_side_still_receives(client: SpdyClient, session: Session) -> None:
    session.receive(client.open(1))
    session.finish(1)
    assert session.receive(client.send(1, b"in")) == [Received(1, b"in")]
    assert session.receive(client.send(1, b"", finished=True)) == [Finished(1)]
    assert session.receive(client.send(1, b"more")) == []


def test_a_stream_may_begin_finished(client: SpdyClient, session: Session) -> None:
    assert session.receive(client.open(1, finished=True)) == [Opened(1, {}), Finished(1)]
    assert session.receive(client.send(1, b"more")) == []


def test_headers_may_finish_a_stream(client: SpdyClient, session: Session) -> None:
    session.receive(client.open(1))
    assert session.receive(client.headers(1)) == []
    assert session.receive(client.headers(1, finished=True)) == [Finished(1)]
    assert session.receive(client.open(3, {"kind": "y"})) == [Opened(3, {"kind": "y"})]


def test_a_stream_that_the_client_resets_is_gone(client: SpdyClient, session: Session) -> None:
    session.receive(client.open(1))
    assert session.receive(client.reset(1)) == [Reset(1)]
    assert session.receive(client.reset(1)) == []
    session.send(1, b"x")
    session.finish(1)
    assert session.unsent() == b""


def test_pings_of_the_client_come_back_and_others_not(client: SpdyClient, session: Session) -> None:
    session.receive(client.ping(7) + client.ping(8))
    client.hear(session.unsent())
    assert client.pings == [7]


def test_numbers_of_streams_are_odd_and_grow(client: SpdyClient, session: Session) -> None:
    session.receive(client.open(5))
    for wrong in (5, 3, 8):
        assert session.receive(client.open(wrong)) == []
    client.hear(session.unsent())
    assert client.resets == dict.fromkeys((5, 3, 8), spdy_session.PROTOCOL_ERROR)


def test_data_on_a_stream_that_was_never_opened(client: SpdyClient, session: Session) -> None:
    assert session.receive(client.send(9, b"x")) == []
    client.hear(session.unsent())
    assert client.resets == {9: spdy_session.INVALID_STREAM}


def test_too_many_streams_are_refused(client: SpdyClient, session: Session) -> None:
    for number in range(spdy_session.MOST_STREAMS):
        session.receive(client.open(2 * number + 1))
    one_more = 2 * spdy_session.MOST_STREAMS + 1
    assert session.receive(client.open(one_more)) == []
    client.hear(session.unsent())
    assert client.resets == {one_more: spdy_session.REFUSED_STREAM}


def test_frames_that_mean_nothing_here_are_passed_over(client: SpdyClient, session: Session) -> None:
    window = encode(Frame(Kind.WINDOW_UPDATE, struct.pack(">II", 1, 65536)))
    settings = encode(Frame(Kind.SETTINGS, bytes(4)))
    going = encode(Frame(Kind.GOAWAY, bytes(8)))
    assert session.receive(window + settings + going + encode(Frame(99, b""))) == []
    assert session.receive(client.open(1)) == [Opened(1, {})]


def test_a_client_that_breaks_the_rules_receives_goaway(client: SpdyClient, session: Session) -> None:
    assert session.receive(encode(Frame(Kind.SYN_STREAM, b"\0\0\0\1" + b"\0" * 6 + b"not packed"))) == []
    assert session.ended
    client.hear(session.unsent())
    assert client.gone_away
    assert session.receive(client.open(1)) == []


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_are_events_or_the_end(parts: list[bytes]) -> None:
    session = Session()
    for part in parts:
        session.receive(part)
        SpdyClient().hear(session.unsent()) if session.ended else session.unsent()


@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.integers(0, 9), st.binary(max_size=12), st.integers(0, 3)), max_size=20
    )
)
def test_any_frames_are_events_or_the_end(frames: list[tuple[Kind, int, bytes, int]]) -> None:
    session, client = Session(), SpdyClient()
    session.receive(client.open(1))
    for kind, stream, rest, flags in frames:
        content = rest if kind is Kind.DATA else stream.to_bytes(4, "big") + rest
        session.receive(encode(Frame(kind, content, flags, stream)))
        for number in range(4):
            session.send(number, b"x")
            session.finish(number)
