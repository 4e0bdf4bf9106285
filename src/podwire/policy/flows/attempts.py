"""Which logged packets begin a connection attempt: repetitions of a first packet are the same attempt. Pure."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.kernel.packet_log import LoggedPacket

REMEMBERED = 8192
"""Attempts that are known at once; of more, repetitions of the oldest ones count again."""
CONNECTING_SECONDS = 180.0
"""A TCP client repeats its SYN, with the same sequence number, for 127 s by default (tcp_syn_retries, ip-sysctl)."""
DATAGRAM_SECONDS = 60.0
"""What is sent between the same ports within this time is one attempt."""


class Attempts:
    """Remembers attempts for as long as their first packets may be repeated."""

    def __init__(self) -> None:
        self._known: dict[object, float] = {}

    def __len__(self) -> int:
        return len(self._known)

    def is_new(self, packet: LoggedPacket, now: float) -> bool:
        """Whether the packet is the first of an attempt; `now` is in seconds and rises."""
        key = (packet.prefix, packet.headers)
        until = self._known.get(key, now)
        if until > now:
            return False
        connecting = packet.headers.protocol == socket.IPPROTO_TCP
        self._known.pop(key, None)
        self._known[key] = now + (CONNECTING_SECONDS if connecting else DATAGRAM_SECONDS)
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return True
