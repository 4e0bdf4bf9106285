"""Which pods have an address, by the API and this node's attachments. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.kube.meta import NamespacedName
from podwire.policy.model import Identity, IPAddress
from podwire.policy.peers import PeerPod

if TYPE_CHECKING:
    from collections.abc import Iterable


class Bearer(msgspec.Struct, frozen=True):
    """A pod that has addresses. `created` is the API's time stamp, which sorts as text."""

    key: NamespacedName
    identity: Identity
    addresses: tuple[IPAddress, ...]
    local: bool
    node: str
    uid: str
    created: str


Claimant = Bearer | PeerPod
"""A pod that claims an address: known in full, or as a peer."""


class Claims:
    """The claimants of each address: nearly always one."""

    def __init__(self) -> None:
        self._claimants: dict[IPAddress, tuple[Claimant, ...]] = {}

    def __len__(self) -> int:
        return len(self._claimants)

    def of(self, address: IPAddress) -> tuple[Claimant, ...]:
        """All claimants of an address."""
        return self._claimants.get(address, ())

    def addresses(self) -> Iterable[IPAddress]:
        """All addresses that some pod claims."""
        return self._claimants.keys()

    def add(self, claimant: Claimant) -> None:
        """The pod claims its addresses from now on."""
        for address in claimant.addresses:
            self._claimants[address] = (*self._claimants.get(address, ()), claimant)

    def remove(self, claimant: Claimant) -> None:
        """The pod, as it was added, claims them no longer."""
        for address in claimant.addresses:
            left = tuple(one for one in self._claimants.get(address, ()) if one is not claimant and one != claimant)
            if left:
                self._claimants[address] = left
            else:
                self._claimants.pop(address, None)
