from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

from podwire.kernel import transports


@pytest.mark.parametrize(
    ("error", "expected"),
    [(None, True), (errno.EPROTONOSUPPORT, False), (errno.ESOCKTNOSUPPORT, False)],
)
def test_the_kernel_is_tried(monkeypatch: pytest.MonkeyPatch, error: int | None, expected: bool) -> None:
    made = socket.socket

    def stand_in(family: int, kind: int, protocol: int) -> socket.socket:
        assert protocol == socket.IPPROTO_SCTP
        if error is not None:
            raise OSError(error, "refused")
        return made(family, kind)

    monkeypatch.setattr(socket, "socket", stand_in)
    assert transports.has_sctp() is expected


def test_another_error_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(*_: Any) -> socket.socket:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(socket, "socket", stand_in)
    with pytest.raises(OSError, match="too many"):
        transports.has_sctp()
