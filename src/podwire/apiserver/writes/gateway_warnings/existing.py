"""The objects that a written one refers to, as one transaction sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.transaction import Transaction

Object = dict[str, Any]

STORAGES = {
    ("", "ConfigMap"): "configmaps",
    ("", "Namespace"): "namespaces",
    ("", "Secret"): "secrets",
    ("", "Service"): "services",
    ("gateway.networking.k8s.io", "Gateway"): "gateways.gateway.networking.k8s.io",
    ("gateway.networking.k8s.io", "GatewayClass"): "gatewayclasses.gateway.networking.k8s.io",
    ("gateway.networking.k8s.io", "ListenerSet"): "listenersets.gateway.networking.k8s.io",
    ("gateway.networking.k8s.io", "ReferenceGrant"): "referencegrants.gateway.networking.k8s.io",
}
"""By group and kind: what routes and Gateways refer to. References to other kinds are not followed."""


class Reference(NamedTuple):
    """An object that another one names, with the defaults of the field filled in."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"

    @property
    def known(self) -> bool:
        """Whether its kind is one that is looked up."""
        return (self.group, self.kind) in STORAGES


def reference(field: Field, group: str, kind: str, namespace: str) -> Reference:
    """What a reference means; `group`, `kind` and `namespace` are the field's defaults."""
    given = field["group"]
    return Reference(
        given.text if given.given else group,
        field["kind"].text or kind,
        field["namespace"].text or namespace,
        field["name"].text,
    )


class Existing:
    """Looks objects up: what is committed, and what this write has staged."""

    def __init__(self, store: Store, transaction: Transaction) -> None:
        self._store = store
        self._transaction = transaction

    def find(self, desired: Reference) -> Object | None:
        """The object of a known kind; None where there is none."""
        storage = STORAGES[desired.group, desired.kind]
        found = self._transaction.get(Key(storage, desired.namespace, desired.name))
        return None if found is None else found.object()

    def all(self, group: str, kind: str, namespace: str = "") -> list[Object]:
        """All objects of a kind, or those of one namespace."""
        return [stored.object() for stored in self._store.objects(STORAGES[group, kind], namespace)]
