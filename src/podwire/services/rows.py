"""Rows: the elements of the maps of services.nft, and the flows that may go on. Pure.

But for pools, a row is one element: `text` in nft's language, `key_registers` and `value_registers` as the kernel holds
it, where it is no interval. Its stage puts endpoints before the words that refer to them, and a Service's ports before
what refuses its other ports.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from typing import ClassVar

import msgspec

from podwire.kube.backends import Backend
from podwire.services.model import Frontend, Protocol
from podwire.services.pool_row import PoolRow
from podwire.services.registers import (
    DRAW_KEY,
    NUMBER,
    NUMBER_OF,
    PORT,
    PROTOCOL_AND_PORT,
    STICKY_KEY,
    address_bytes,
)
from podwire.services.word import POOL, meaning, sticky_number


class StickyRow(msgspec.Struct, frozen=True, gc=False):
    """One endpoint of a pool with session affinity; the word holds its number."""

    stage: ClassVar[int] = 0

    word: int
    protocol: Protocol
    backend: Backend

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return ("sticky", ":" in self.backend.address, self.word)

    @property
    def collection(self) -> str:
        """The map of services.nft."""
        return "sticky6" if ":" in self.backend.address else "sticky4"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        return f"{self.word:#x} . {self.protocol}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return f"{self.key_text} : {self.backend.address} . {self.backend.port}"

    @property
    def key_registers(self) -> bytes:
        """The key as the kernel holds it."""
        return STICKY_KEY.pack(self.word, NUMBER_OF[self.protocol])

    @property
    def value_registers(self) -> bytes:
        """The value as the kernel holds it."""
        return address_bytes(self.backend.address) + PORT.pack(self.backend.port)

    def __str__(self) -> str:
        number, pool = sticky_number(self.word), self.word & POOL
        backend = self.backend
        return f"{self.collection} {pool} . {self.protocol} . endpoint {number} : {backend.address} . {backend.port}"


class DrawRow(msgspec.Struct, frozen=True, gc=False):
    """One slot of a pool with session affinity: the word of a sticky row."""

    stage: ClassVar[int] = 1

    family: int
    slot: int
    word: int

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return ("draw", self.family, self.word & POOL, self.slot)

    @property
    def collection(self) -> str:
        """The map of services.nft."""
        return f"draw{self.family}"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        return f"{self.word & POOL} . {self.slot}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return f"{self.key_text} : {self.word:#x}"

    @property
    def key_registers(self) -> bytes:
        """The key as the kernel holds it."""
        return DRAW_KEY.pack(self.word & POOL, self.slot)

    @property
    def value_registers(self) -> bytes:
        """The value as the kernel holds it."""
        return NUMBER.pack(self.word)

    def __str__(self) -> str:
        return f"{self.collection} {self.key_text} : endpoint {sticky_number(self.word)}"


class FrontendRow(msgspec.Struct, frozen=True, gc=False):
    """A frontend and its word. With `outside` the word counts for clients outside of this node's pods alone."""

    stage: ClassVar[int] = 2

    frontend: Frontend
    outside: bool
    word: int

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.frontend, self.outside)

    @property
    def collection(self) -> str:
        """The map of services.nft."""
        frontend = self.frontend
        if frontend.is_node_port:
            return f"outside_nodeport{frontend.family}" if self.outside else f"nodeport{frontend.family}"
        return f"outside{frontend.family}" if self.outside else f"service{frontend.family}"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        frontend = self.frontend
        if frontend.is_node_port:
            return f"{frontend.protocol} . {frontend.port}"
        return f"{frontend.address} . {frontend.protocol} . {frontend.port}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return f"{self.key_text} : {self.word:#x}"

    @property
    def key_registers(self) -> bytes:
        """The key as the kernel holds it."""
        frontend = self.frontend
        port = PROTOCOL_AND_PORT.pack(NUMBER_OF[frontend.protocol], frontend.port)
        return port if frontend.is_node_port else address_bytes(frontend.address) + port

    @property
    def value_registers(self) -> bytes:
        """The value as the kernel holds it."""
        return NUMBER.pack(self.word)

    def __str__(self) -> str:
        return f"{self.collection} {self.key_text} : {meaning(self.word)}"


class Members(enum.StrEnum):
    """The sets of services.nft with one address or range an element, each once a family, as they are filled."""

    HAIRPIN = "hairpin"
    NODEPORT_ADDRESSES = "nodeport_addresses"
    VIRTUAL = "virtual"
    RANGE = "range"

    __hash__ = str.__hash__  # that of Enum is a Python function, and keys hold the names of sets


_MEMBER_STAGES = {Members.HAIRPIN: 0, Members.NODEPORT_ADDRESSES: 3, Members.VIRTUAL: 3, Members.RANGE: 4}


class MemberRow(msgspec.Struct, frozen=True, gc=False):
    """An address or a range in one of the sets; `key_registers` is for addresses only."""

    of: Members
    member: str

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.of, self.member)

    @property
    def stage(self) -> int:
        """Its place in a batch."""
        return _MEMBER_STAGES[self.of]

    @property
    def collection(self) -> str:
        """The set of services.nft."""
        return f"{self.of}{6 if ':' in self.member else 4}"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        return f"{self.member} . {self.member}" if self.of == Members.HAIRPIN else self.member

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return self.key_text

    @property
    def key_registers(self) -> bytes:
        """The key as the kernel holds it."""
        address = address_bytes(self.member)
        return address + address if self.of == Members.HAIRPIN else address

    @property
    def value_registers(self) -> bytes:
        """The value as the kernel holds it."""
        return b""

    def __str__(self) -> str:
        return f"{self.collection} {self.text}"


class SourceRow(msgspec.Struct, frozen=True, gc=False):
    """A range whose clients are admitted where the word of a frontend has the guard."""

    stage: ClassVar[int] = 1

    pool: int
    network: str

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.pool, self.network)

    @property
    def collection(self) -> str:
        """The set of services.nft."""
        return "sources6" if ":" in self.network else "sources4"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        # With an address nft 1.0.6 would look for the element to delete in the wrong byte order.
        if "/" in self.network:
            return f"{self.pool} . {self.network}"
        return f"{self.pool} . {self.network}/{128 if ':' in self.network else 32}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return self.key_text

    def __str__(self) -> str:
        return f"{self.collection} {self.pool} . {self.network}"


class FlowsRow(msgspec.Struct, frozen=True, gc=False):
    """Datagrams to this port of an address or range may be on their way to these backends, and to no others.

    The kernel makes the flows. Those that the row does not allow are ended, so that a client that keeps sending is led
    elsewhere. Datagrams only: a TCP connection notices by itself that its peer is gone.
    """

    stage: ClassVar[int] = 0
    is_readable: ClassVar[bool] = False

    destination: str
    port: int
    backends: frozenset[Backend]

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return ("flows", self.destination, self.port)

    def __str__(self) -> str:
        backends = ", ".join(f"{one.address} . {one.port}" for one in sorted(self.backends))
        return f"flows {self.destination} . udp . {self.port} : {{ {backends} }}"


ElementRow = StickyRow | DrawRow | FrontendRow | MemberRow | SourceRow
Row = PoolRow | ElementRow | FlowsRow
