"""An SCTP INIT as bytes: hosts without SCTP can send it, and what returns shows that it arrived (RFC 9260)."""

from __future__ import annotations

import struct

PROTOCOL = 132
_INIT = 1
_POLYNOMIAL = 0x82F63B78
"""CRC32c, reflected (RFC 9260, appendix A)."""


def init(source_port: int, port: int, tag: int) -> bytes:
    """Return a packet with one INIT chunk; `tag` is its initiate tag, not 0."""
    chunk = struct.pack("!BBHIIHHI", _INIT, 0, 20, tag, 65536, 1, 1, tag)
    checksum = _crc32c(struct.pack("!HHII", source_port, port, 0, 0) + chunk)
    return struct.pack("!HHI", source_port, port, 0) + struct.pack("<I", checksum) + chunk


def is_answer(packet: bytes, port: int) -> bool:
    """Whether an SCTP packet is for this port: an INIT ACK or an ABORT."""
    return len(packet) >= 12 and int.from_bytes(packet[2:4]) == port


def _crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value ^ 0xFFFFFFFF
