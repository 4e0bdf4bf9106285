"""Which certificates exist, by node: so that those of a node or of an identity can be revoked. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

from podwire.mesh.identity.admission import Denial
from podwire.mesh.identity.trust import Revoked

PREFIX = "podwire-mesh-issued-"
NODE_LABEL = "mesh.podwire.dev/ledger"
"""On the ConfigMaps; the value is a digest, as names of nodes can be too long for one."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A certificate that was signed. The serial number is hexadecimal."""

    id: str
    serial: str
    until: datetime


class Ledger(msgspec.Struct, frozen=True):
    """The certificates of one node that are still valid."""

    node: str
    entries: tuple[Entry, ...] = ()


class Decisions(msgspec.Struct, frozen=True):
    """What a user revoked and denied."""

    revoked: tuple[Revoked, ...] = ()
    nodes: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()

    @property
    def denial(self) -> Denial:
        """What gets no certificate."""
        return Denial(frozenset(self.nodes), frozenset(self.identities))


NONE = Decisions()


def with_entries(ledger: Ledger, entries: Iterable[Entry], now: datetime) -> Ledger:
    """Return the ledger with more entries and without those that have expired."""
    kept = (one for one in ledger.entries if one.until > now)
    return Ledger(ledger.node, (*kept, *entries))


def revoke(
    decisions: Decisions,
    ledgers: Iterable[Ledger],
    now: datetime,
    *,
    node: str = "",
    identity: str = "",
    serial: str = "",
    denies: bool = True,
) -> Decisions:
    """Return the decisions after the certificates of a node, of an identity, or one of them, were revoked.

    With `denies` the node or the identity gets no other one until it is allowed again.
    """
    known = {one.serial for one in decisions.revoked}
    found = [
        Revoked(entry.serial, now, entry.until)
        for ledger in ledgers
        for entry in ledger.entries
        if entry.until > now
        and entry.serial not in known
        and (
            (node and ledger.node == node) or (identity and entry.id == identity) or (serial and entry.serial == serial)
        )
    ]
    kept = (one for one in decisions.revoked if one.until > now)
    nodes, identities = set(decisions.nodes), set(decisions.identities)
    if denies:
        nodes |= {node} - {""}
        identities |= {identity} - {""}
    return Decisions((*kept, *found), tuple(sorted(nodes)), tuple(sorted(identities)))


def allow(decisions: Decisions, *, node: str = "", identity: str = "") -> Decisions:
    """Return the decisions in which a node or an identity gets certificates again. Revoked ones stay revoked."""
    nodes = tuple(one for one in decisions.nodes if one != node)
    identities = tuple(one for one in decisions.identities if one != identity)
    return msgspec.structs.replace(decisions, nodes=nodes, identities=identities)


def name_of(node: str) -> str:
    """Return the name of the ConfigMap of a node's ledger: a node's own name may be too long."""
    return PREFIX + hashlib.sha256(node.encode()).hexdigest()[:20]
