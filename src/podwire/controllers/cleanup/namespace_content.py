"""Deletes the content of a namespace: its pods first, everything else once they are gone.

Policies, Services and configuration of a pod must exist until it has ended: a pod that is isolated stays isolated
during its grace period. Source: kubernetes `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from podwire.controllers.cleanup.namespace_conditions import Outcome, qualified
from podwire.kube.api_discovery import Discovered, discover
from podwire.kube.client import ApiError
from podwire.kube.kinds import PODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from podwire.kube.client import Client
    from podwire.kube.core import Namespace
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import NamespacedName, Object

UNSUPPORTED = frozenset({"MethodNotAllowed", "NotFound"})
"""Reasons of a server that does not delete a whole collection of this kind."""

AT_ONCE = 16
"""Kinds whose content is deleted at the same time."""


async def delete_content(client: Client, namespace: Namespace, now: datetime) -> Outcome:
    """Delete what the namespace holds and return what is left; everything but pods is kept while pods are left."""
    outcome = Outcome()
    found = await _discover(client, outcome)
    namespaced = [kind for kind in found.kinds if kind.namespaced]
    pods = [kind for kind in namespaced if (kind.api_version, kind.resource) == (PODS.api_version, PODS.resource)]
    deletion = _Deletion(client, namespace, now, outcome)
    await deletion.run(pods, prefix=f"failed to delete pods for namespace: {namespace.metadata.name}, err: ")
    if not (outcome.remaining or outcome.errors):
        await deletion.run([kind for kind in namespaced if kind not in pods])
    return outcome


async def _discover(client: Client, outcome: Outcome) -> Discovered:
    """Return the kinds that are known; the failures are in the outcome."""
    try:
        found = await discover(client)
    except ApiError as error:
        outcome.discovery_error = str(error)
        return Discovered((), {})
    if found.errors:
        text = ", ".join(f"{version}: {error}" for version, error in sorted(found.errors.items()))
        outcome.discovery_error = (
            f"Discovery failed for some groups, {len(found.errors)} failing: "
            f"unable to retrieve the complete list of server APIs: {text}"
        )
    odd = [kind.api_version for kind in found.kinds if kind.api_version.count("/") > 1]
    if odd:
        outcome.group_version_error = f"unexpected GroupVersion string: {min(odd)}"
    return found


class _Deletion:
    """One pass over kinds of one namespace; adds to the outcome."""

    def __init__(self, client: Client, namespace: Namespace, now: datetime, outcome: Outcome) -> None:
        self._client = client
        self._namespace = namespace
        self._name = namespace.metadata.name
        self._now = now
        self._outcome = outcome

    async def run(self, kinds: Sequence[Kind[Object]], prefix: str = "") -> None:
        """Delete all objects of these kinds; what the server refuses is an error of the outcome, not raised."""
        for start in range(0, len(kinds), AT_ONCE):
            batch = kinds[start : start + AT_ONCE]
            results = await asyncio.gather(*map(self._delete_kind, batch), return_exceptions=True)
            for result in results:
                if isinstance(result, ApiError):
                    self._outcome.errors.append(f"{prefix}{result}")
                elif isinstance(result, BaseException):
                    raise result

    async def _delete_kind(self, kind: Kind[Object]) -> None:
        if not (await self._list(kind, limit="1")):
            return
        try:
            await self._client.delete_all(kind, self._name)
        except ApiError as error:
            if error.reason not in UNSUPPORTED:
                raise
            await self._delete_each(kind)
        left = await self._list(kind)
        if left:
            self._count(kind, left)
            if not await self._expected(kind, left):
                version = kind.api_version if "/" in kind.api_version else f"/{kind.api_version}"
                self._outcome.errors.append(
                    f"unexpected items still remain in namespace: {self._name} "
                    f"for gvr: {version}, Resource={kind.resource}"
                )

    async def _list(self, kind: Kind[Object], **parameters: str) -> list[Object]:
        try:
            return (await self._client.list(kind, self._name, **parameters)).items
        except ApiError as error:
            if error.reason in UNSUPPORTED:  # the kind was removed since discovery
                return []
            raise

    async def _delete_each(self, kind: Kind[Object]) -> None:
        for item in await self._list(kind):
            await _delete_one(self._client, kind, item.key)

    def _count(self, kind: Kind[Object], left: Iterable[Object]) -> None:
        for item in left:
            self._outcome.remaining[qualified(kind)] += 1
            self._outcome.finalizers.update(item.metadata.finalizers)

    async def _expected(self, kind: Kind[Object], left: Sequence[Object]) -> bool:
        """Return whether these objects may still exist: finalizers hold one, or pods have their grace period."""
        if any(item.metadata.finalizers for item in left):
            return True
        if kind.resource != PODS.resource:
            return False
        pods = (await self._client.list(PODS, self._name)).items
        grace = max((pod.spec.termination_grace_period_seconds for pod in pods if not pod.finished), default=0)
        began = self._namespace.metadata.deletion_timestamp
        age = (self._now - datetime.fromisoformat(began)).total_seconds() if began else 0.0
        return not pods or age < grace


async def _delete_one(client: Client, kind: Kind[Object], key: NamespacedName) -> None:
    try:
        await client.delete(kind, key)
    except ApiError as error:
        if error.reason not in UNSUPPORTED:
            raise
