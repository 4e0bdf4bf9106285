"""Capture the packets on an interface with a packet socket, and write them as pcap. Source: packet(7)."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from podwire.kernel import packet_filter, pcap

if TYPE_CHECKING:
    from collections.abc import Sequence

ETH_P_ALL = 0x0003


class Limits(msgspec.Struct, frozen=True):
    """When a capture ends: after this many packets, after this time, or at the end of what a descriptor reads.

    Packets of TCP in `without_ports` are left out.
    """

    count: int | None = None
    seconds: float | None = None
    until_end_of: int | None = None
    without_ports: tuple[int, ...] = ()


def capture(interface: str, output: BinaryIO, limits: Limits) -> int:
    """Write packets until a limit is reached, or until interrupted; return how many.

    Runs in the network namespace of the caller. The header is written at once, so that a reader can start. Raises
    OSError where there is no such interface, or without CAP_NET_RAW.
    """
    deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
    seen = 0
    # Without a protocol it receives nothing until it is bound: nothing comes past the filter.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        if limits.without_ports:
            packet_filter.attach(raw, packet_filter.leaving_out(limits.without_ports))
        raw.bind((interface, ETH_P_ALL))
        output.write(pcap.header())
        output.flush()
        watched: Sequence[socket.socket | int] = [raw] if limits.until_end_of is None else [raw, limits.until_end_of]
        while limits.count is None or seen < limits.count:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            readable = select.select(watched, [], [], left)[0]
            if limits.until_end_of in readable and not os.read(limits.until_end_of, 4096):
                break
            if raw in readable:
                frame = raw.recv(pcap.SNAP_LENGTH)
                output.write(pcap.record(time.time(), frame, len(frame)))
                output.flush()
                seen += 1
    return seen
