"""What the kernel holds in the maps of services.nft, as rows again."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator

from podwire.kernel.readback import PROTOCOLS, Elements
from podwire.kernel.setdump import RawElement
from podwire.kube.backends import Backend
from podwire.services import model
from podwire.services.model import Frontend
from podwire.services.rows import ElementRow, EndpointRow, MemberRow, Members, ServiceRow
from podwire.services.ruleset import TABLE_NAME

_PROTOCOLS = {number: model.Protocol(name) for number, name in PROTOCOLS.items()}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_WIDTH = {4: 4, 6: 16}
_FRONTEND = struct.Struct("!B3xH2x")
"""What follows the address: protocol and port, each in a register of its own."""
_PORT = struct.Struct("!H2x")
_NUMBER = struct.Struct("=I")


def held_rows(kernel: Elements, family: int) -> Iterator[ElementRow]:
    """All rows of one family, 4 or 6."""
    for element in kernel.elements(TABLE_NAME, f"service{family}"):
        yield ServiceRow(_frontend(element.key, family), *_NUMBER.unpack(element.data))
    for element in kernel.elements(TABLE_NAME, f"endpoint{family}"):
        frontend = _frontend(element.key, family)
        (slot,) = _NUMBER.unpack_from(element.key, _WIDTH[family] + _FRONTEND.size)
        yield EndpointRow(frontend, slot, _backend(element.data, family))
    for element in kernel.elements(TABLE_NAME, f"{Members.CLUSTER}{family}"):
        yield MemberRow(Members.CLUSTER, _address(element.key, family))
    for element in kernel.elements(TABLE_NAME, f"{Members.HAIRPIN}{family}"):
        yield MemberRow(Members.HAIRPIN, _address(element.key, family))
    yield from _ranges(kernel.elements(TABLE_NAME, f"{Members.RANGE}{family}"), family)


def _address(raw: bytes, family: int) -> str:
    return socket.inet_ntop(_FAMILIES[family], raw[: _WIDTH[family]])


def _frontend(key: bytes, family: int) -> Frontend:
    protocol, port = _FRONTEND.unpack_from(key, _WIDTH[family])
    return Frontend(_address(key, family), _PROTOCOLS[protocol], port)


def _backend(data: bytes, family: int) -> Backend:
    return Backend(_address(data, family), *_PORT.unpack_from(data, _WIDTH[family]))


def _ranges(elements: Iterable[RawElement], family: int) -> Iterator[MemberRow]:
    """Blocks that do not touch each other: each first address with the first one after it."""
    bounds = sorted((element.key, element.end) for element in elements)
    # A set may begin with an end: what lies before the first block.
    starts = [int.from_bytes(key, "big") for key, end in bounds if not end]
    for start in starts:
        after = min(int.from_bytes(key, "big") for key, end in bounds if end and int.from_bytes(key, "big") > start)
        length = 8 * _WIDTH[family] - (after - start - 1).bit_length()
        first = start.to_bytes(_WIDTH[family], "big")
        yield MemberRow(Members.RANGE, str(ipaddress.ip_network(f"{_address(first, family)}/{length}")))
