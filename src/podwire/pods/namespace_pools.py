"""Of which pool the pods of a namespace get their addresses: what its label names."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from podwire.kube.core import Namespace
from podwire.kube.pod_pools import LABEL
from podwire.kube.watch import Change


class UnknownPoolError(Exception):
    """The label of a namespace names no pool that the agent has. The text has the remedy."""


class NamespacePools:
    """The labels of all namespaces. A pod keeps its addresses when the label of its namespace changes.

    Without any pool no namespace has to be known, and nothing is waited for.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = tuple(names)
        self._chosen: dict[str, str] = {}
        self._changed = asyncio.Event()

    def namespace_changed(self, change: Change[Namespace]) -> None:
        """Take over a namespace that is new, changed or gone."""
        name = change.item.metadata.name
        if change.new is None:
            self._chosen.pop(name, None)
        else:
            self._chosen[name] = change.new.metadata.labels.get(LABEL, "")
            self._changed.set()

    async def of(self, namespace: str) -> str:
        """The pool of the namespace's pods, empty for the node's podCIDRs. Waits until the namespace is known.

        A container without a pod is of no namespace. Raises UnknownPoolError.
        """
        if not namespace or not self._names:
            return ""
        while namespace not in self._chosen:
            self._changed.clear()
            await self._changed.wait()
        pool = self._chosen[namespace]
        if pool and pool not in self._names:
            raise UnknownPoolError(
                f"namespace {namespace} has the label {LABEL}={pool}, and the agent knows these pools only: "
                f"{', '.join(self._names)}; change the label, or give --namespace-pool to agents and podwire controller"
            )
        return pool
