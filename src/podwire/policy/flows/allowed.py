"""Whose admitted connections are recorded: a table of its own, which exists only where there are any."""

from __future__ import annotations

import asyncio
import logging
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.ruleset import Ruleset
from podwire.kernel.worker import Worker
from podwire.kube.kept_objects import FLOW_RECORDS
from podwire.policy.numbering import ANY_POD

if TYPE_CHECKING:
    from podwire.kube.core import Namespace
    from podwire.kube.watch import Change
    from podwire.policy.choices import Scope

log = logging.getLogger(__name__)

TABLE = "inet podwire-flows"
RETRY_SECONDS = 5.0


class NamespaceNumbers(Protocol):
    """The numbers of namespaces (podwire.policy.identities.IdentityAllocator)."""

    def namespace(self, name: str) -> int:
        """The number of a namespace, 0 where there is none left."""
        ...


class AllowedFlows:
    """Keeps the table equal to what flags and annotations require."""

    def __init__(self, scope: Scope, numbers: NamespaceNumbers, nft: Transactions | None = None) -> None:
        self._scope = scope
        self._numbers = numbers
        self._nft = nft if nft is not None else Nftables()
        self._worker = Worker("flows")
        self._namespaces: set[str] = set()
        self._changed = asyncio.Event()
        self._changed.set()

    def namespace_changed(self, change: Change[Namespace]) -> None:
        """A namespace came, went, or has other annotations."""
        known = change.item
        name = known.metadata.name
        required = change.new is not None and change.new.metadata.annotations.get(FLOW_RECORDS) == "all"
        if required != (name in self._namespaces):
            self._namespaces.symmetric_difference_update({name})
            self._changed.set()

    def required(self) -> frozenset[int]:
        """The numbers whose connections are recorded."""
        if self._scope == "all":
            return frozenset({ANY_POD})
        return frozenset(filter(None, map(self._numbers.namespace, sorted(self._namespaces))))

    async def run(self) -> None:
        """Follow the changes until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._worker.run(self._nft.run, text(self.required()))
            except NftablesError as error:
                log.warning("admitted connections cannot be recorded: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()


def text(required: frozenset[int]) -> str:
    """The transaction after which exactly these are recorded; without any there is no table."""
    absent = f"add table {TABLE}\ndelete table {TABLE}\n"
    if not required:
        return absent
    ruleset = Ruleset((TABLE,), resources.files(__package__).joinpath("allowed.nft").read_text())
    elements = ", ".join(str(number) for number in sorted(required))
    return f"{ruleset.replacement}add element {TABLE} recorded {{ {elements} }}\n"
