"""What ClusterNetworkPolicies are about, as their decisions read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from podwire.policy.claims import Bearer
    from podwire.policy.model import Identity, IPAddress, Pods


class Surroundings(Protocol):
    """The pods and namespaces that policies are about (podwire.policy.view.View)."""

    def bearer(self, address: IPAddress) -> Bearer | None:
        """The pod that has the address."""
        ...

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of a namespace, None where it is not known."""
        ...

    def identities(self, peer: Pods, home: str) -> Iterator[Identity]:
        """All identities that a peer means."""
        ...

    def namespaces(self, peer: Pods, home: str) -> Iterator[str]:
        """All namespaces that a peer looks into."""
        ...

    def subjects(self) -> Iterable[Identity]:
        """The identities of this node's pods."""
        ...

    def pod_addresses(self) -> Iterable[IPAddress]:
        """All addresses that some pod claims."""
        ...
