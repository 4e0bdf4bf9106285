"""ClusterRoles that are the sum of others: their rules are written again whenever one of the others changes.

Source: k8s.io/kubernetes `pkg/controller/clusterroleaggregation`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.access.rbac import CLUSTER_ROLES
from podwire.kube.meta import LabelSelector
from podwire.kube.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from podwire.apiserver.storage.revisions import Event, Key
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.transaction import Transaction

Object = dict[str, Any]

log = logging.getLogger(__name__)


def rules(role: Object, roles: Mapping[str, Object]) -> list[Object]:
    """The rules of an aggregated role: those of every other role that one of its selectors selects, each once."""
    selectors = [
        msgspec.convert(selector, LabelSelector) for selector in role["aggregationRule"].get("clusterRoleSelectors", ())
    ]
    found: list[Object] = []
    for name in sorted(roles):
        labels = roles[name]["metadata"].get("labels") or {}
        if name != role["metadata"]["name"] and any(matches(selector, labels) for selector in selectors):
            found += (rule for rule in roles[name].get("rules") or () if rule not in found)
    return found


def settle(transaction: Transaction, keys: Iterable[Key]) -> None:
    """Bring all aggregated roles among these up to date; one may be part of another."""
    stored = {key: found for key in keys if (found := transaction.get(key)) is not None}
    roles = {key.name: found.object() for key, found in stored.items()}
    changed = True
    while changed:
        changed = False
        for key in stored:
            role = roles[key.name]
            if role.get("aggregationRule") is not None:
                desired = rules(role, roles)
                changed |= desired != (role.get("rules") or [])
                role["rules"] = desired
    for key in stored:
        if roles[key.name].get("aggregationRule") is not None:
            transaction.put(key, roles[key.name])


class Aggregation:
    """Follows the store's ClusterRoles and keeps the aggregated ones up to date, shortly after each change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._work: asyncio.Task[None] | None = None
        self._again = False
        store.subscribe(self._follow)

    async def stop(self) -> None:
        """Finish what is being written."""
        if self._work is not None:
            await self._work

    def _follow(self, events: Sequence[Event]) -> None:
        if any(event.key.storage == CLUSTER_ROLES for event in events):
            self._again = True
            if self._work is None:
                self._work = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._again:
                self._again = False
                keys = [stored.key for stored in self._store.objects(CLUSTER_ROLES)]
                await self._store.transact(lambda transaction, keys=keys: settle(transaction, keys))  # type: ignore[misc]
        except Exception:
            log.exception("the rules of aggregated ClusterRoles may be out of date until one of them changes")
        finally:
            self._work = None
