"""What an agent last knew, on disk, of the objects that policies and egress gateways read.

Pods start by it while the API server is away.
Each change is in the file before its rows are in the kernel, so rows that are made from the file are never older than
those that the kernel has. What is not in it stays closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from podwire.kube.core import Namespace, Node, Pod
from podwire.kube.egress_gateway import EgressGateway
from podwire.kube.network_policy_api import ClusterNetworkPolicy
from podwire.kube.networking import NetworkPolicy
from podwire.kube.watch import Change
from podwire.policy.peer_objects import PeerPodObject
from podwire.policy.peers import PeerPod

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT, namespace TEXT, name TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS complete (kind TEXT PRIMARY KEY)
"""
Encode = Callable[[Any], bytes]


TYPES: dict[str, type[Any]] = {
    "peers": PeerPodObject,
    "nodes": Node,
    "namespaces": Namespace,
    "pods": Pod,
    "networkpolicies": NetworkPolicy,
    "clusternetworkpolicies": ClusterNetworkPolicy,
    "egressgateways": EgressGateway,
}
"""What is kept, and as what it is read; in this order, so that policies find what they read."""
REQUIRED = ("nodes", "namespaces", "pods", "networkpolicies", "clusternetworkpolicies", "egressgateways")
"""Without the whole state of each, nothing is known. Peers that are missing are closed where policies read them."""


class Followed(Protocol):
    """What is needed of an informer to keep its objects."""

    synced: asyncio.Event

    def subscribe(self, listener: Callable[[Change[Any]], None]) -> None:
        """Call the listener for every change."""
        ...


class Remembered(Followed, Protocol):
    """An informer that takes kept objects back."""

    def restore(self, items: Iterable[Any]) -> None:
        """Take objects as they were known before."""
        ...


class KnownObjects:
    """The file. Every change of a followed informer is written at the end of the loop's turn."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        """None where the file takes nothing: nothing is known before then."""
        try:
            self._database = _opened(path)
        except sqlite3.DatabaseError as error:
            log.warning("%s cannot be read and begins empty: %s", path, error)
            self._forget()
            with contextlib.suppress(sqlite3.DatabaseError):
                self._database = _opened(path)
        self._pending: dict[tuple[str, str, str], bytes | None] = {}

    def objects(self, kind: str) -> list[Any]:
        """Return what the file has of a kind.

        Raises msgspec.MsgspecError where another release wrote an object otherwise: a policy must not be left out.
        """
        if self._database is None:
            return []
        rows = self._database.execute("SELECT body FROM objects WHERE kind = ?", (kind,))
        return [msgspec.json.decode(body, type=TYPES[kind]) for (body,) in rows]

    def follow(self, kind: str, informer: Followed, encode: Encode = msgspec.json.encode) -> None:
        """Write each change of an informer from now on."""

        def changed(change: Change[Any]) -> None:
            item = change.item
            if not self._pending:
                asyncio.get_running_loop().call_soon(self.flush)
            body = encode(change.new) if change.new is not None else None
            self._pending[kind, item.key.namespace, item.key.name] = body

        informer.subscribe(changed)

    def is_complete(self, kinds: Iterable[str]) -> bool:
        """Whether the whole state of each kind was received once since the file was made."""
        if self._database is None:
            return False
        known = {kind for (kind,) in self._database.execute("SELECT kind FROM complete")}
        return known.issuperset(kinds)

    def completed(self, kind: str) -> None:
        """The whole state of a kind has been received."""
        self.flush()
        self._write("INSERT OR REPLACE INTO complete VALUES (?)", [(kind,)])

    def flush(self) -> None:
        """Write what has changed."""
        pending, self._pending = self._pending, {}
        gone = [key for key, body in pending.items() if body is None]
        kept = [(*key, body) for key, body in pending.items() if body is not None]
        self._write("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", kept)
        self._write("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", gone)

    def _write(self, statement: str, rows: list[Any]) -> None:
        """Write in one transaction. A file that does not take it is removed."""
        if not rows or self._database is None:
            return
        try:
            self._database.execute("BEGIN")
            self._database.executemany(statement, rows)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            log.exception("known objects cannot be written; without the API server no pod starts by them")
            self._forget()

    def _forget(self) -> None:
        """Remove the file, which is older than the kernel's rows now; a full disk has no room for a mark in it."""
        if self._database is not None:
            self._database.close()
            self._database = None
        try:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError:
            log.exception("the file of known objects is old and cannot be removed; delete it")


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.executescript(_SCHEMA)
    return database


def encoded_peer(peer: PeerPod) -> bytes:
    """A pod of another node as JSON from which it is made again."""
    ports = [{"name": one.name, "protocol": one.protocol, "containerPort": one.number} for one in peer.kind.ports]
    metadata = {
        "name": peer.name,
        "namespace": peer.kind.namespace,
        "uid": peer.uid,
        "labels": dict(peer.kind.labels),
        "creationTimestamp": peer.created or None,
    }
    spec = {"nodeName": peer.node, "containers": [{"ports": ports}]}
    status = {"phase": "Running", "podIPs": [{"ip": str(address)} for address in peer.addresses]}
    return msgspec.json.encode({"metadata": metadata, "spec": spec, "status": status})
