"""The difference of two states as values: what `-o json` prints, and what text and Markdown show."""

from __future__ import annotations

import enum

from podwire.insight.service.report import Value


class Effect(enum.StrEnum):
    """What a change does to a connection."""

    OPENED = "opened"
    CLOSED = "closed"


class ObjectChange(enum.StrEnum):
    """What has happened to an object."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class PortsLine(Value, frozen=True):
    """Ports of one protocol, as pairs of first and last; none where the protocol has no ports."""

    protocol: str
    ranges: tuple[tuple[int, int], ...] = ()


class ConnectionLine(Value, frozen=True):
    """Connections between pods, and to and from outside, that policies allow in one of the states only.

    Attributes:
        sources, destinations: names of workloads, and addresses outside: each source reaches each destination.
        ports, port_list: the ports as a person reads them, and for programs.
        family: `IPv4` or `IPv6` where it is so in this one only.
        is_certain: False where one of the states depends on addresses that pods do not have yet.

    """

    effect: Effect
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    ports: str
    port_list: tuple[PortsLine, ...]
    family: str = ""
    is_certain: bool = True


class EntryLine(Value, frozen=True):
    """A way to pods that a Service, an Ingress or a route has in one of the states only."""

    effect: Effect
    kind: str
    name: str
    entry: str
    target: str
    place: str = ""


class ObjectLine(Value, frozen=True):
    """An object that is not the same in both states, with its place in the new one, else in the old one."""

    change: ObjectChange
    kind: str
    name: str
    place: str = ""


class Report(Value, frozen=True):
    """All of it. `old` and `new` are the states as they were named."""

    old: str
    new: str
    connections: tuple[ConnectionLine, ...] = ()
    entries: tuple[EntryLine, ...] = ()
    objects: tuple[ObjectLine, ...] = ()
    notes: tuple[str, ...] = ()

    def has(self, effect: Effect) -> bool:
        """Whether something is opened, or closed."""
        effects = (*(one.effect for one in self.connections), *(one.effect for one in self.entries))
        return effect in effects
