"""A port that a stand-in listens on."""

from __future__ import annotations

import msgspec


class Port(msgspec.Struct, frozen=True, order=True):
    """A port to listen on. Protocol is TCP, UDP or SCTP."""

    protocol: str
    number: int
