"""What is attached on this node: addresses of pods, by the uid that the container runtime gave, and links. No I/O."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podwire.kernel.link_end import LinkEnd
    from podwire.kube.meta import NamespacedName
    from podwire.policy.model import IPAddress


class Attachments:
    """The addresses of each pod of this node, whatever its status is, and the link that leads to each address."""

    def __init__(self) -> None:
        self._held: defaultdict[NamespacedName, dict[str, tuple[IPAddress, ...]]] = defaultdict(dict)
        self._holders: dict[IPAddress, tuple[NamespacedName, str]] = {}
        self._links: dict[IPAddress, LinkEnd] = {}

    def __len__(self) -> int:
        return len(self._held) + len(self._links) + len(self._holders)

    def of(self, pod: NamespacedName) -> Mapping[str, tuple[IPAddress, ...]]:
        """Return what is attached under a pod's name, by uid."""
        return self._held.get(pod, {})

    def holder(self, address: IPAddress) -> NamespacedName | None:
        """Return the pod that has the address; None where none of this node has."""
        found = self._holders.get(address)
        return found[0] if found is not None else None

    def link(self, address: IPAddress) -> LinkEnd | None:
        """Return the link that leads to an address."""
        return self._links.get(address)

    def attach(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress], link: LinkEnd | None) -> None:
        """The pod with this uid has these addresses too, behind the link."""
        if link is not None:
            self._links.update(dict.fromkeys(addresses, link))
        known = self._held[pod].get(uid, ())
        self._held[pod][uid] = tuple(dict.fromkeys((*known, *addresses)))
        self._holders.update(dict.fromkeys(addresses, (pod, uid)))

    def detach(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress]) -> None:
        """The pod has these addresses no longer; one that another pod has meanwhile stays that pod's."""
        held = self._held[pod]
        left = tuple(address for address in held.pop(uid, ()) if address not in set(addresses))
        if left:
            held[uid] = left
        if not held:
            del self._held[pod]
        for address in addresses:
            if self._holders.get(address) == (pod, uid):
                self._links.pop(address, None)
                del self._holders[address]
