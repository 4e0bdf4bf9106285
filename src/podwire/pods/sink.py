"""pods.nft in the kernel: loaded once, its elements read back and changed."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, Protocol

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.elements import ELEMENTS_A_TRANSACTION, Part, Word, commands, transactions
from podwire.kernel.nftables import NftablesError
from podwire.kernel.ruleset import Ruleset
from podwire.pods.rows import MemberRow

TABLE = "inet podwire-pods"
_ARP_TABLE = "arp podwire-pods"
_TRIES = 10

SOURCES = ("sources4", "sources6")
"""The sets that follow local attachments."""
CLUSTER = (*(f"{name}{version}" for name in ("ranges", "nodes", "tunnelled", "peers") for version in (4, 6)), "ports")
"""The sets that follow the cluster's Nodes."""


class Rules(Protocol):
    """What is needed of nftables (podwire.kernel.nftables.Nftables)."""

    def run(self, text: str) -> str:
        """Run one transaction."""
        ...

    def run_json(self, text: str) -> str:
        """Run a list command, answer JSON."""
        ...


def load(rules: Rules) -> None:
    """Make pods.nft stand. Where just this release of it stands it is kept: traffic never stops.

    Another release is replaced in one transaction that takes the elements over, the pods' sources first: no packet
    meets empty sets. What does not fit into it follows with the next batch.
    """
    ruleset = Ruleset((TABLE, _ARP_TABLE), resources.files("podwire.pods").joinpath("pods.nft").read_text())
    standing = _standing_sets(rules)
    if ruleset.version in standing:
        return
    rows = [row for name in (*SOURCES, *CLUSTER) if name in standing for row in _members(rules, name)]
    elements = [row.element for row in rows[:ELEMENTS_A_TRANSACTION]]
    rules.run(ruleset.replacement + commands(TABLE, "add", elements))


def _standing_sets(rules: Rules) -> frozenset[str]:
    """The names of the sets that the table has now; none where it does not stand."""
    items = json.loads(rules.run_json("list sets inet"))["nftables"]
    sets = (item["set"] for item in items if "set" in item)
    return frozenset(each["name"] for each in sets if f"inet {each['table']}" == TABLE)


class MemberSink:
    """Some of the sets of pods.nft."""

    def __init__(self, rules: Rules, collections: tuple[str, ...]) -> None:
        self._rules = rules
        self._collections = collections

    async def read(self) -> Iterable[MemberRow]:
        """The elements of these sets. Loads the rules where they do not stand."""
        try:
            load(self._rules)
            return [row for name in self._collections for row in _members(self._rules, name)]
        except NftablesError as error:
            raise SinkError(str(error)) from error

    async def write(self, delta: Delta[MemberRow]) -> None:
        """Add, then remove."""
        removals = [row.element for row in delta.removals]
        additions = [row.element for row in delta.upserts]
        try:
            for text in transactions(TABLE, removals, additions):
                self._rules.run(text)
        except NftablesError as error:
            raise SinkError(str(error)) from error

    def holds(self, row: MemberRow) -> bool:
        """Whether the kernel has this element now."""
        try:
            self._rules.run(f"get element {TABLE} {row.collection} {{ {row.element.text} }}")
        except NftablesError:
            return False
        return True


def _members(rules: Rules, collection: str) -> frozenset[MemberRow]:
    """The elements of a set as two listings in a row have them. Raises NftablesError.

    While the kernel moves a hash table, a listing leaves some elements out without a word (rhashtable_walk_next).
    """
    before: frozenset[MemberRow] | None = None
    for _ in range(_TRIES):
        found = frozenset(_listed(rules, collection))
        if found == before:
            return found
        before = found
    raise NftablesError(f"set {collection} of table {TABLE} changed whenever it was listed")


def _listed(rules: Rules, collection: str) -> Iterator[MemberRow]:
    """One listing."""
    listing = json.loads(rules.run_json(f"list set {TABLE} {collection}"))["nftables"]
    interval = collection.startswith(("ranges", "tunnelled"))
    for item in listing:
        for value in item.get("set", {}).get("elem", ()):
            yield MemberRow(collection, _parts(value, interval=interval))


def _parts(value: Any, *, interval: bool) -> tuple[Part, ...]:
    """An element in the form of libnftables-json(5)."""
    if isinstance(value, int):
        return (value,)
    if isinstance(value, dict) and "prefix" in value:
        prefix = value["prefix"]
        return (ipaddress.ip_network(f"{prefix['addr']}/{prefix['len']}"),)
    if isinstance(value, dict):
        name, address = value["concat"]
        return (Word(name), ipaddress.ip_address(address))
    return (ipaddress.ip_network(value) if interval else ipaddress.ip_address(value),)
