"""What a client may send instead of frames: the session ends or goes on, and never raises."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.lab.streams import channels
from podwire.lab.streams.forwarding.spdy_frames import Frame, Kind, encode
from podwire.lab.streams.forwarding.spdy_headers import HeaderCodec
from podwire.lab.streams.forwarding.spdy_session import Session

QUICK = settings(max_examples=150, deadline=None, derandomize=True, database=None)

FRAMES = st.builds(
    lambda kind, stream, content, flags: encode(Frame(kind, struct.pack(">I", stream) + content, flags, stream)),
    st.sampled_from([*Kind, 5, 99]),
    st.sampled_from([0, 1, 3, 2**31 - 1]),
    st.binary(max_size=12),
    st.sampled_from([0, 1, 2, 255]),
)
OPENING = encode(Frame(Kind.SYN_STREAM, struct.pack(">IIH", 1, 0, 0) + HeaderCodec().pack({"streamtype": "data"})))


@pytest.mark.proves("bad-frames")
@QUICK
@given(st.lists(FRAMES | st.binary(max_size=20) | st.just(OPENING), max_size=6), st.integers(1, 50))
def test_frames_of_noise(parts: list[bytes], cut: int) -> None:
    session, data = Session(), b"".join(parts)
    for start in range(0, len(data), cut):
        assert isinstance(session.receive(data[start : start + cut]), list)
        session.unsent()


@pytest.mark.proves("bad-frames")
@QUICK
@given(st.sampled_from(channels.PROTOCOLS), st.binary(max_size=30) | st.binary().map(lambda raw: b"\x04{" + raw))
def test_messages_of_noise(protocol: str, message: bytes) -> None:
    found = channels.event(protocol, message)
    assert found is None or isinstance(found, channels.Event)
