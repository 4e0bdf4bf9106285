"""Puts the default roles and bindings into a store, and what is missing back into those that were there already."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from podwire.apiserver.access import aggregation
from podwire.apiserver.access.default_roles import AUTO_UPDATE, bootstrapped, cluster_role_bindings, cluster_roles
from podwire.apiserver.access.rbac import CLUSTER_ROLES, GROUP
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes.metadata import complete_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.transaction import Transaction

Object = dict[str, Any]


async def ensure(store: Store, registry: Registry, now: datetime, more: Iterable[Mapping[str, Any]] = ()) -> None:
    """Make the default roles and bindings and `more` of them, all in one write.

    Raises StatusError where the store cannot be written.
    """
    earlier = [stored.key for stored in store.objects(CLUSTER_ROLES)]

    def work(transaction: Transaction) -> None:
        desired = chain(cluster_roles(), cluster_role_bindings(), map(bootstrapped, more))
        made = [_ensure(transaction, registry, obj, now) for obj in desired]
        roles = (key for key in dict.fromkeys((*earlier, *made)) if key.storage == CLUSTER_ROLES)
        aggregation.settle(transaction, roles)

    await store.transact(work, dry_run=False)


def _ensure(transaction: Transaction, registry: Registry, desired: Object, now: datetime) -> Key:
    resource = registry.by_kind(desired["apiVersion"], desired["kind"])
    if resource is None:
        raise LookupError(f"{desired['kind']} of {GROUP} is not served")
    key = Key(resource.storage, desired["metadata"].get("namespace", ""), desired["metadata"]["name"])
    present = transaction.get(key)
    if present is None:
        complete_new(resource, desired, now)
        transaction.put(key, desired)
    else:
        obj = present.object()
        if (obj["metadata"].get("annotations") or {}).get(AUTO_UPDATE) == "true":
            transaction.put(key, _completed(obj, desired))
    return key


def _completed(obj: Object, desired: Object) -> Object:
    """The object with what is missing of the default one: labels, rules and subjects. What was added to it stays."""
    metadata = {**obj["metadata"]}
    metadata["labels"] = {**desired["metadata"]["labels"], **(metadata.get("labels") or {})}
    result = {**obj, "metadata": metadata}
    for part in ("rules", "subjects"):
        held = obj.get(part) or []
        if "aggregationRule" not in desired and part in desired:
            result[part] = [*held, *(one for one in desired[part] if one not in held)]
    return result
