from __future__ import annotations

import json

import pytest

from podwire.lab.streams.channels import (
    V4,
    V5,
    Channel,
    Event,
    Input,
    InputEnded,
    Resized,
    event,
    exited,
    failed,
    frame,
    last_frame,
)


@pytest.mark.parametrize(
    ("protocol", "message", "wanted"),
    [
        (V5, b"\x00typed", Input(b"typed")),
        (V5, b"\x00", None),
        (V5, b"", None),
        (V5, b"\xff\x00", InputEnded()),
        (V4, b"\xff\x00", None),
        (V5, b"\xff\x01", None),
        (V5, b'\x04{"Width":80,"Height":24}', Resized(80, 24)),
        (V5, b'\x04{"Width":-1,"Height":99999999}', Resized(0, 65535)),
        (V5, b"\x04{", None),
        (V5, b"\x01spoofed output", None),
        (V5, b"\x03{}", None),
    ],
)
def test_messages_of_clients(protocol: str, message: bytes, wanted: Event | None) -> None:
    assert event(protocol, message) == wanted


def test_the_last_frame_says_how_it_ended() -> None:
    assert frame(Channel.STDERR, b"x") == b"\x02x"
    assert json.loads(exited(0)[1:])["status"] == "Success"
    failure = json.loads(exited(2)[1:])
    assert failure["reason"] == "NonZeroExitCode"
    assert failure["details"]["causes"][0] == {"reason": "ExitCode", "message": "2"}
    assert exited(2)[0] == failed("x")[0] == Channel.STATUS
    assert json.loads(failed("why")[1:])["message"] == "why"


def test_the_oldest_protocol_ends_with_the_text_of_an_error_or_with_nothing() -> None:
    assert last_frame("channel.k8s.io", exited(0)) == b""
    text = b"command terminated with non-zero exit code: exit status 2"
    assert last_frame("channel.k8s.io", exited(2)) == bytes([Channel.STATUS]) + text
    assert last_frame("channel.k8s.io", failed("why")) == bytes([Channel.STATUS]) + b"why"
    assert last_frame("v4.channel.k8s.io", exited(0)) == exited(0)
