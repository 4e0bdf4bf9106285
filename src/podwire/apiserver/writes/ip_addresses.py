"""IPAddress objects: one for each cluster address, stored and removed in the same write as its Service.

Source: k8s.io/kubernetes `pkg/registry/core/service/ipallocator` createIPAddress; networking.k8s.io/v1 IPAddress.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, status
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes.metadata import complete_new

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.storage.revisions import Stored
    from podwire.apiserver.storage.transaction import Transaction

Object = dict[str, Any]

STORAGE = "ipaddresses.networking.k8s.io"
FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY_LABEL = "ipaddress.kubernetes.io/managed-by"
MANAGER = "ipallocator.k8s.io"


class IPAddresses:
    """Writes the objects of Services' addresses."""

    def __init__(self, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._resource = registry.by_kind("networking.k8s.io/v1", "IPAddress")
        self._clock = clock

    def follow(self, transaction: Transaction, resource: Resource, service: Object, old: Object | None) -> None:
        """Store what a Service newly holds and remove what it no longer does; raises StatusError 422."""
        now, before = cluster_addresses(service), cluster_addresses(old)
        if not (now <= before or before <= now):
            return  # an address that is held may not change: validation refuses the write
        for address in now - before:
            self.store(transaction, resource, service, address)
        for address in before - now:
            self.remove(transaction, service, address)

    def store(self, transaction: Transaction, resource: Resource, service: Object, address: str) -> None:
        """Store one object; raises StatusError 422 where another holds the address."""
        if not self.claim(transaction, service, address):
            detail = f"failed to allocate IP {address}: provided IP is already allocated"
            cause = field_errors.invalid("spec.clusterIPs", service["spec"]["clusterIPs"], detail)
            raise status.invalid(resource, service["metadata"]["name"], [cause])

    def claim(self, transaction: Transaction, service: Object, address: str) -> bool:
        """Store one object, in place of one whose Service does not have the address; False where another holds it."""
        if self._resource is None:
            return True
        key, parent = Key(STORAGE, "", address), _parent(service)
        held = transaction.get(key)
        if held is not None and held.object()["spec"].get("parentRef") == parent:
            return True
        if held is not None and not self.remove_stale(transaction, address):
            return False
        family = f"IPv{ip_address(address).version}"
        labels = {FAMILY_LABEL: family, MANAGED_BY_LABEL: MANAGER}
        obj: Object = {
            "apiVersion": self._resource.api_version,
            "kind": self._resource.kind,
            "metadata": {"name": address, "labels": labels},
        }
        complete_new(self._resource, obj, self._clock())
        transaction.put(key, {**obj, "spec": {"parentRef": parent}})
        return True

    def remove(self, transaction: Transaction, service: Object, address: str) -> None:
        """Remove one object, where it is this Service's."""
        key = Key(STORAGE, "", address)
        held = transaction.get(key)
        if held is not None and held.object()["spec"].get("parentRef") == _parent(service):
            transaction.remove(key)

    def remove_stale(self, transaction: Transaction, address: str) -> bool:
        """Remove an object that is stale; False where it stays."""
        key = Key(STORAGE, "", address)
        held = transaction.get(key)
        if held is None or not is_stale(held, transaction.get):
            return False
        transaction.remove(key)
        return True


def is_stale(held: Stored, read: Callable[[Key], Stored | None]) -> bool:
    """Whether an IPAddress of this server is left from a Service that is gone or has other addresses."""
    if not is_managed(held.labels):
        return False
    service = read(service_key(held.object()))
    return service is None or held.key.name not in cluster_addresses(service.object())


def is_managed(labels: Mapping[str, str]) -> bool:
    """Whether the API server itself made an IPAddress with these labels."""
    return labels.get(MANAGED_BY_LABEL) == MANAGER


def cluster_addresses(service: Object | None) -> set[str]:
    """The addresses that a Service holds, each in its canonical form; an ExternalName Service holds none."""
    spec = {} if service is None else service["spec"]
    given = () if spec.get("type") == "ExternalName" else spec.get("clusterIPs", ())
    return {str(ip_address(address)) for address in given if address not in {"", "None"}}


def service_key(obj: Object) -> Key:
    """The key of the Service that an IPAddress refers to; one that never exists where it refers to something else."""
    parent = obj["spec"].get("parentRef", {})
    if parent.get("resource") != "services" or parent.get("group"):
        return Key("services", "", "")
    return Key("services", parent.get("namespace", ""), parent.get("name", ""))


def _parent(service: Object) -> Object:
    metadata = service["metadata"]
    return {"resource": "services", "namespace": metadata["namespace"], "name": metadata["name"]}
