"""One end of a connection, as a name of a command means it."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.kube.core import Node
from podwire.kube.services import Service
from podwire.policy.model import IPAddress, IPNetwork


class EndKind(enum.StrEnum):
    """What a name means."""

    PODS = "pods"
    SERVICE = "Service"
    NODE = "node"
    ADDRESS = "address"
    OUTSIDE = "outside"
    HOST = "host name"


class End(msgspec.Struct, frozen=True):
    """One end. Of the fields below `kind` those are set that belong to it.

    Attributes:
        text: as it was written.
        kind: which of the others are set.
        workloads: the pods; several where those of one owner differ.
        pod: the only pod that is meant, where one is.
        service: a Service, by its name or one of its addresses.
        node: a node; of a Service the node whose port it was reached by.
        address: an address of no pod, node or Service; of a pod too, where it was written.
        network: any address of it, where an address is meant and none is known.
        host: a DNS name that is none of the cluster's.
        requested: the name that clients look up, where the host is the target of an alias.

    """

    text: str
    kind: EndKind
    workloads: tuple[Workload, ...] = ()
    pod: PodPlace | None = None
    service: Service | None = None
    node: Node | None = None
    address: IPAddress | None = None
    network: IPNetwork | None = None
    host: str = ""
    requested: str = ""

    @property
    def namespace(self) -> str:
        """The namespace of pods and Services; empty for others."""
        if self.service is not None:
            return self.service.metadata.namespace
        return self.workloads[0].namespace if self.workloads else ""


class Port(msgspec.Struct, frozen=True):
    """A port as it is written: a number or a name, and its protocol."""

    port: int | str
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


class EndError(Exception):
    """A name means nothing, or several things. The text has those that are near, or all."""


def unknown(what: str, text: str, names: Iterable[str]) -> EndError:
    """Return the error for a name that nothing has, with the nearest ones."""
    import difflib

    known = sorted(set(names))
    near = difflib.get_close_matches(text, known, 5, 0.4) or known[:8]
    shown = f"; there is {', '.join(near)}{' ...' if len(near) < len(known) else ''}" if near else ""
    return EndError(f"{what}: nothing has this name{shown}")


def ambiguous(what: str, names: Iterable[str]) -> EndError:
    """Return the error for a name that several things have."""
    return EndError(f"{what} means several: write {' or '.join(sorted(names))}")
