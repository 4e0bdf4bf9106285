"""The cluster addresses of the cluster's DNS: of Service kube-dns, and of those of its namespace with its label."""

from __future__ import annotations

from podwire.kube import cluster_dns
from podwire.kube.addresses import parsed
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.policy.model import IPAddress


class Resolvers:
    """The addresses, kept from change to change: a change costs the same however many Services there are."""

    def __init__(self) -> None:
        self._found: dict[NamespacedName, tuple[str, ...]] = {}

    @property
    def addresses(self) -> set[IPAddress]:
        """All that can be read."""
        found = (parsed(address) for texts in self._found.values() for address in texts)
        return {address for address in found if address is not None}

    def service_changed(self, change: Change[Service]) -> bool:
        """Take a change of any Service; return whether the addresses are others now."""
        key = change.item.key
        if key.namespace != cluster_dns.NAMESPACE:
            return False
        before = self._found.pop(key, ())
        service = change.new
        if service is not None and (key.name == cluster_dns.NAME or cluster_dns.is_dns(service.metadata.labels)):
            self._found[key] = service.addresses
        return before != self._found.get(key, ())
