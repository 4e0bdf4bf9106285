from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.lab.streams.forwarding.spdy_frames import (
    FINISHED,
    LARGEST_FRAME,
    SMALLEST,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    encode,
)

DATA = st.builds(
    Frame,
    st.just(Kind.DATA),
    st.binary(max_size=50),
    st.sampled_from([0, FINISHED]),
    st.integers(1, 2**31 - 1),
)
CONTROL = st.sampled_from([kind for kind in Kind if kind]).flatmap(
    lambda kind: st.builds(
        Frame, st.just(int(kind)), st.binary(min_size=SMALLEST[kind], max_size=50), st.integers(0, 255)
    )
)


@given(st.lists(DATA | CONTROL, max_size=8), st.integers(1, 20))
def test_frames_come_back_however_they_are_cut(frames: list[Frame], size: int) -> None:
    data = b"".join(map(encode, frames))
    reader = FrameReader()
    found = []
    for start in range(0, len(data), size):
        found += reader.feed(data[start : start + size])
    assert found == frames


def test_the_bytes_of_two_frames() -> None:
    assert encode(Frame(Kind.DATA, b"hi", FINISHED, 5)) == b"\0\0\0\5\1\0\0\2hi"
    assert encode(Frame(Kind.PING, b"\0\0\0\1")) == b"\x80\3\0\6\0\0\0\4\0\0\0\1"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x80\2\0\6\0\0\0\4\0\0\0\1", "version 2 of SPDY"),
        (b"\x80\3\0\6\0\0\0\1\0", "PING frame of 1 bytes is too short"),
        (b"\0\0\0\1\0" + (LARGEST_FRAME + 1).to_bytes(3, "big"), "larger than"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        FrameReader().feed(data)


def test_frames_of_unknown_types_come_through() -> None:
    assert [frame.kind for frame in FrameReader().feed(b"\x80\3\0\x63\0\0\0\0")] == [0x63]
