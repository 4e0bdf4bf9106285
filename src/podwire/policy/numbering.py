"""Numbers of identities as rows carry them, and the stages in which rows are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from podwire.policy.model import Identity

ALLOWED, ISOLATED, AT_ADDRESS, AT_IDENTITY, AT_NAMESPACE, AT_ANY, TIERED, BORNE = range(8)
"""Stages: what is allowed is written before a pod is isolated, and both before an address bears the identity.

Decisions of ClusterNetworkPolicies go from the narrowest peer to the widest, which counts where no narrower one has
its own, and are removed the other way round. They may leave a packet to NetworkPolicies, so isolation goes first.
Batches of more than one transaction have another order (podwire.policy.narrow_first).
"""

ANY_POD = 1 << 31
"""The bit that every identity has: as a peer it means any pod that is known."""

NO_POD = 16
"""The peer that is no known pod, in decisions of ClusterNetworkPolicies; policy.nft names it too."""


class Numbering(Protocol):
    """Numbers as allocated; 0 where none are left, which no row may carry."""

    def identity(self, identity: Identity) -> int:
        """The number of an identity."""
        ...

    def namespace(self, name: str) -> int:
        """The number that all identities of the namespace have in their upper 16 bits, the lower ones 0."""
        ...


def who(number: int) -> str:
    """A number as a reader sees it: namespace and kind of pod, such as 3.2; 3.* is the whole namespace."""
    if number == NO_POD:
        return "no pod"
    namespace, kind = number >> 16 & 0x7FFF, number & 0xFFFF
    if not namespace:
        return "any pod"
    return f"{namespace}.{kind or '*'}"
