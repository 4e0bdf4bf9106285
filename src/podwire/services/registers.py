"""Keys and values of services.nft's maps as the kernel's registers hold them, to write and to read back. Pure.

Each part is padded to 4 bytes; addresses and ports are in network order, other numbers in the machine's own.
"""

from __future__ import annotations

import struct
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from podwire.services.model import Protocol

PROTOCOL_AND_PORT = struct.Struct("!B3xH2x")
PORT = struct.Struct("!H2x")
NUMBER = struct.Struct("=I")
SLOT_KEY = struct.Struct("=IB3xI")
STICKY_KEY = struct.Struct("=IB3x")
DRAW_KEY = struct.Struct("=II")

NUMBER_OF = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}
"""IANA's numbers of protocols."""
PROTOCOL_OF = {number: protocol for protocol, number in NUMBER_OF.items()}
WIDTH = {4: 4, 6: 16}
"""Bytes of an address of each family."""

_FAMILIES = {4: AF_INET, 6: AF_INET6}


def address_bytes(text: str) -> bytes:
    """Return the register of an address in canonical form."""
    return inet_pton(AF_INET6 if ":" in text else AF_INET, text)


def address_text(raw: bytes, family: int) -> str:
    """Return the address at the beginning of registers, in canonical form."""
    return inet_ntop(_FAMILIES[family], raw[: WIDTH[family]])
