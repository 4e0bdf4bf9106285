"""Which Service has an address: for records of flows."""

from __future__ import annotations

from podwire.kube.addresses import parsed
from podwire.kube.feed import Feed
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.policy.model import IPAddress


class ServiceAddresses:
    """Addresses of Services, indexed again when one is looked up after a change: records are rarer than changes."""

    def __init__(self, services: Feed[Service]) -> None:
        self._services = services
        self._owners: dict[IPAddress, NamespacedName] | None = None

    def changed(self, _: object) -> None:
        """Some Service has changed."""
        self._owners = None

    def owner(self, address: IPAddress) -> NamespacedName | None:
        """The Service that has the address, None where no Service has it."""
        if self._owners is None:
            self._owners = {}
            for key, service in self._services.objects.items():
                ingress = (one.ip for one in service.status.load_balancer.ingress)
                for text in (*service.addresses, *service.spec.external_ips, *ingress):
                    found = parsed(text)
                    if found is not None:
                        self._owners.setdefault(found, key)
        return self._owners.get(address)
