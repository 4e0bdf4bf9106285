"""Keeps the first objects there: made when the server starts, and anew when somebody deletes one.

`kubectl delete all --all` deletes the Service by which pods reach the API server. Upstream's looks every ten seconds
whether it is there (kubernetes `pkg/controlplane/controller/kubernetesservice`); here the deletion itself is heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from copy import deepcopy  # a write completes what it is given
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podwire.apiserver.storage.revisions import Event, Key
from podwire.apiserver.writes.options import WriteOptions

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.writer import Writer

Object = dict[str, Any]

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""Until the next try where an object could not be made, because a full disk or another Service's address forbids it."""


@dataclass(frozen=True, slots=True)
class First:
    """An object that must be there. `renewed`: it says where this server listens, and is brought up to date."""

    resource: Resource
    body: Object
    renewed: bool

    @property
    def namespace(self) -> str:
        """Empty for what has none."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def key(self) -> Key:
        """Where it stands."""
        return Key(self.resource.storage, self.namespace, self.body["metadata"]["name"])


class Keeper:
    """Makes first objects, and makes them again, until it is stopped."""

    def __init__(self, store: Store, writer: Writer, wanted: Iterable[First]) -> None:
        self._store = store
        self._writer = writer
        self._wanted = {one.key: one for one in wanted}
        self._missed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make what is not there; raises StatusError where that is refused."""
        for key, one in self._wanted.items():
            if self._store.get(key) is None:
                await self._make(one)
            elif one.renewed:
                await self._renew(one)
        self._store.subscribe(self._heard)
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Let deletions be."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _heard(self, events: Sequence[Event]) -> None:
        if any(event.removed and event.key in self._wanted for event in events):
            self._missed.set()

    async def _keep(self) -> None:
        while True:
            await self._missed.wait()
            self._missed.clear()
            try:
                for key, one in self._wanted.items():
                    if self._store.get(key) is None:
                        await self._make(one)
            except Exception:
                log.exception("what every cluster has could not be made again; trying in %.0f s", RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                self._missed.set()

    async def _make(self, one: First) -> None:
        await self._writer.create(one.resource, one.namespace, deepcopy(one.body), WriteOptions())

    async def _renew(self, one: First) -> None:
        await self._writer.update(one.resource, one.key, lambda _: deepcopy(one.body), WriteOptions())
