"""Resource records as values: the rows of the DNS server (RFC 1035, 2782, 3596)."""

from __future__ import annotations

import enum
import ipaddress
import struct

import msgspec

from podwire.dns.names import to_wire


class RecordType(enum.IntEnum):
    """The types that the server makes or treats in its own way."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33
    DNAME = 39
    OPT = 41
    IXFR = 251
    AXFR = 252
    ANY = 255


INTERNET = 1
"""Class IN."""


class A(msgspec.Struct, frozen=True, gc=False):
    """An IPv4 address."""

    address: ipaddress.IPv4Address
    type = RecordType.A

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return self.address.packed


class AAAA(msgspec.Struct, frozen=True, gc=False):
    """An IPv6 address."""

    address: ipaddress.IPv6Address
    type = RecordType.AAAA

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return self.address.packed


class CNAME(msgspec.Struct, frozen=True, gc=False):
    """Another name for the same thing."""

    target: str
    type = RecordType.CNAME

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return to_wire(self.target)


class PTR(msgspec.Struct, frozen=True, gc=False):
    """The name of an address."""

    target: str
    type = RecordType.PTR

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return to_wire(self.target)


class NS(msgspec.Struct, frozen=True):
    """A server of the zone."""

    target: str
    type = RecordType.NS

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return to_wire(self.target)


class SRV(msgspec.Struct, frozen=True, gc=False):
    """Where a service listens. Targets are never compressed (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str
    type = RecordType.SRV

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return struct.pack("!HHH", self.priority, self.weight, self.port) + to_wire(self.target)


class MX(msgspec.Struct, frozen=True):
    """Who takes mail for the name."""

    preference: int
    target: str
    type = RecordType.MX

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        return struct.pack("!H", self.preference) + to_wire(self.target)


class TXT(msgspec.Struct, frozen=True):
    """One text of at most 255 bytes."""

    text: str
    type = RecordType.TXT

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        raw = self.text.encode()[:255]
        return bytes((len(raw),)) + raw


class SOA(msgspec.Struct, frozen=True):
    """The head of a zone. Times are seconds; `minimum` is how long a negative answer may be kept (RFC 2308)."""

    server: str
    mailbox: str
    serial: int = 1
    refresh: int = 7200
    retry: int = 1800
    expire: int = 86400
    minimum: int = 5
    type = RecordType.SOA

    def wire(self) -> bytes:
        """The record's data as in a packet, names not compressed."""
        times = struct.pack("!IIIII", self.serial, self.refresh, self.retry, self.expire, self.minimum)
        return to_wire(self.server) + to_wire(self.mailbox) + times


class Present(msgspec.Struct, frozen=True):
    """No record at all: the name exists, so that every type of it is answered without data, not as unknown."""

    type = -1

    def wire(self) -> bytes:
        """Nothing; such a row is never in a packet."""
        return b""


class PodAddresses(msgspec.Struct, frozen=True):
    """As Present, and names right below this one spell their address: `10-244-1-2`."""

    type = -2

    def wire(self) -> bytes:
        """Nothing; such a row is never in a packet."""
        return b""


Data = A | AAAA | CNAME | PTR | NS | SRV | MX | TXT | SOA | Present | PodAddresses


def address_data(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> A | AAAA:
    """The record data of this address."""
    return A(address) if isinstance(address, ipaddress.IPv4Address) else AAAA(address)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of the zone, and one row: the zone holds each pair of name and data once.

    The name is dotted text without the last dot. The time to live is the server's choice and the same for all.
    """

    name: str
    data: Data

    @property
    def key(self) -> Record:
        """The whole record: a name may hold many data."""
        return self

    @property
    def stage(self) -> int:
        """All in one: a batch is taken between two queries."""
        return 0

    def __str__(self) -> str:
        values = (str(value) for value in msgspec.structs.astuple(self.data))
        return " ".join((self.name + ".", type(self.data).__name__, *values))
