"""Rows: the elements of the maps of services.nft, and the flows that may go on. Pure.

A row prints itself as the element of nft's language that it is. Its stage puts endpoints before the frontend that
counts them, and a Service's ports before what refuses its other ports.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import ClassVar, Protocol

import msgspec

from podwire.kube.backends import Backend
from podwire.kube.meta import NamespacedName
from podwire.services import model
from podwire.services.host_ports import PodOwner
from podwire.services.model import Frontend
from podwire.services.slots import Slots

Owner = NamespacedName | PodOwner

RANGES = NamespacedName("", "service-ranges")
"""The owner of the rows of all Services' ranges: no Service can have this name, as it has no namespace."""


class View(Protocol):
    """The current objects, as far as rows depend on them."""

    @property
    def node(self) -> model.NodeView:
        """The node that the rows are for."""
        ...

    def entries(self, owner: NamespacedName | PodOwner) -> Iterable[model.Entry]:
        """The frontends of a Service or of a pod's host ports, none where there is no such object."""
        ...


class EndpointRow(msgspec.Struct, frozen=True, gc=False):
    """One slot of a frontend."""

    stage: ClassVar[int] = 0

    frontend: Frontend
    slot: int
    backend: Backend

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.frontend, self.slot)

    @property
    def collection(self) -> str:
        """The map or set of services.nft."""
        return f"endpoint{self.frontend.family}"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        frontend = self.frontend
        return f"{frontend.address} . {frontend.protocol} . {frontend.port} . {self.slot}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return f"{self.key_text} : {self.backend.address} . {self.backend.port}"

    def __str__(self) -> str:
        return f"{self.collection} {self.text}"


class ServiceRow(msgspec.Struct, frozen=True, gc=False):
    """A frontend and the number of its slots; without any, connections are refused."""

    stage: ClassVar[int] = 1

    frontend: Frontend
    slots: int

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return self.frontend

    @property
    def collection(self) -> str:
        """The map or set of services.nft."""
        return f"service{self.frontend.family}"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        return f"{self.frontend.address} . {self.frontend.protocol} . {self.frontend.port}"

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return f"{self.key_text} : {self.slots}"

    def __str__(self) -> str:
        return f"{self.collection} {self.text}"


class Members(enum.StrEnum):
    """The sets of services.nft, each once a family, in the order in which they are filled."""

    HAIRPIN = "hairpin"
    CLUSTER = "cluster"
    RANGE = "range"


class MemberRow(msgspec.Struct, frozen=True, gc=False):
    """An address or a range in one of the sets."""

    of: Members
    member: str

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.of, self.member)

    @property
    def stage(self) -> int:
        """Its place in a batch."""
        return _STAGES[self.of]

    @property
    def collection(self) -> str:
        """The map or set of services.nft."""
        return f"{self.of}{6 if ':' in self.member else 4}"

    @property
    def key_text(self) -> str:
        """The element's key in nft's language."""
        return f"{self.member} . {self.member}" if self.of == Members.HAIRPIN else self.member

    @property
    def text(self) -> str:
        """The element in nft's language."""
        return self.key_text

    def __str__(self) -> str:
        return f"{self.collection} {self.text}"


class FlowRow(msgspec.Struct, frozen=True, gc=False):
    """Datagrams to this frontend that are on their way to this backend may go on.

    The kernel makes the flows; taking the row away ends them, so that a client that keeps sending is led elsewhere.
    Datagrams only: a TCP connection notices by itself that its peer is gone.
    """

    stage: ClassVar[int] = 0

    frontend: Frontend
    backend: Backend

    @property
    def key(self) -> Hashable:
        """What the kernel can hold once."""
        return (self.frontend, self.backend)

    def __str__(self) -> str:
        frontend, backend = self.frontend, self.backend
        return f"flow {frontend.address} . {frontend.protocol} . {frontend.port} : {backend.address} . {backend.port}"


ElementRow = EndpointRow | ServiceRow | MemberRow
Row = ElementRow | FlowRow

_STAGES = {Members.HAIRPIN: 0, Members.CLUSTER: 2, Members.RANGE: 3}


def rows(owner: Owner, view: View, slots: Slots[Owner]) -> Iterator[Row]:
    """The rows of one Service, of one pod's host ports, or of the ranges of all Services."""
    if owner == RANGES:
        yield from (MemberRow(Members.RANGE, block) for block in view.node.service_ranges)
        return
    entries = tuple(view.entries(owner))
    placed = slots.keep(owner, {entry.frontend: entry.backends for entry in entries})
    for entry in entries:
        backends = placed[entry.frontend]
        yield from (EndpointRow(entry.frontend, slot, backend) for slot, backend in enumerate(backends))
        yield ServiceRow(entry.frontend, len(backends))
        if isinstance(owner, NamespacedName):  # the other ports of a node's address are the node's own
            yield MemberRow(Members.CLUSTER, entry.frontend.address)
        yield from (MemberRow(Members.HAIRPIN, address) for address in entry.local)
        if entry.frontend.protocol == model.Protocol.UDP:
            yield from (FlowRow(entry.frontend, backend) for backend in entry.serving)


def held_slots(held: Iterable[Row]) -> Mapping[Frontend, Mapping[int, Backend]]:
    """The slots among rows that were read back."""
    found: defaultdict[Frontend, dict[int, Backend]] = defaultdict(dict)
    for row in held:
        if isinstance(row, EndpointRow):
            found[row.frontend][row.slot] = row.backend
    return found
