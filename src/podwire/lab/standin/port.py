"""A port that a stand-in listens on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port to listen on. Protocol is TCP, UDP or SCTP."""

    protocol: str
    number: int
