"""Capture the packets on an interface with a packet socket, and write them as pcap."""

from __future__ import annotations

import select
import socket
import time
from typing import BinaryIO

from podwire.lab.network import pcap

ETH_P_ALL = 0x0003


def capture(interface: str, output: BinaryIO, count: int | None, seconds: float | None) -> int:
    """Write packets until `count` of them, or until the time is over, or until interrupted; returns how many.

    Runs in the network namespace of the caller. The header is written at once, so that a reader can start.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    seen = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as raw:
        raw.bind((interface, 0))
        output.write(pcap.header())
        output.flush()
        while count is None or seen < count:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            if select.select([raw], [], [], left)[0]:
                frame = raw.recv(pcap.SNAP_LENGTH)
                output.write(pcap.record(time.time(), frame, len(frame)))
                output.flush()
                seen += 1
    return seen
