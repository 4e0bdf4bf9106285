"""The pcap file format. Source: draft-ietf-opsawg-pcap; link type 1 is Ethernet, times are in microseconds."""

from __future__ import annotations

import struct

MAGIC = 0xA1B2C3D4
ETHERNET = 1
SNAP_LENGTH = 262_144
HEADER_BYTES = 24
RECORD_BYTES = 16
"""Of what is before the bytes of each packet."""


def header() -> bytes:
    """The start of a file."""
    return struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, SNAP_LENGTH, ETHERNET)


def record(seconds: float, frame: bytes, length: int) -> bytes:
    """One packet: when it was seen, its bytes as captured and its length on the wire."""
    whole = int(seconds)
    return struct.pack("<IIII", whole, int((seconds - whole) * 1_000_000), len(frame), length) + frame


def captured_bytes(head: bytes) -> int:
    """How many bytes of a packet follow the RECORD_BYTES before it, of a file that `header` begins."""
    (length,) = struct.unpack_from("<I", head, 8)
    return int(length)
