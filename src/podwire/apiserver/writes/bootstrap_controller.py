"""Creates the bootstrap objects at start, and again when one is deleted.

`kubectl delete all --all` deletes the Service by which pods reach the API server. Upstream checks every ten seconds
whether it exists (kubernetes `pkg/controlplane/controller/kubernetesservice`); here the deletion event is the trigger.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from copy import deepcopy  # a write completes what it is given
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.storage.revisions import Event, Key
from podwire.apiserver.writes.options import WriteOptions

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.writer import Writer

Object = dict[str, Any]

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
"""Between two tries to create an object, where a full disk or another Service's address forbids it."""


class BootstrapObject(msgspec.Struct, frozen=True):
    """An object that must exist. `renewed`: it has the addresses of this server, and is updated at each start."""

    resource: Resource
    body: Object
    renewed: bool

    @property
    def namespace(self) -> str:
        """Empty for what has none."""
        return str(self.body["metadata"].get("namespace", ""))

    @property
    def key(self) -> Key:
        """The key under which it is stored."""
        return Key(self.resource.storage, self.namespace, self.body["metadata"]["name"])


class BootstrapController:
    """Creates bootstrap objects, and creates them again when they are deleted, until it is stopped."""

    def __init__(self, store: Store, writer: Writer, desired: Iterable[BootstrapObject]) -> None:
        self._store = store
        self._writer = writer
        self._desired = {one.key: one for one in desired}
        self._missed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Create what does not exist; raises StatusError where that is refused."""
        for key, one in self._desired.items():
            if self._store.get(key) is None:
                await self._create(one)
            elif one.renewed:
                await self._renew(one)
        self._store.subscribe(self._on_events)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop creating what is deleted."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _on_events(self, events: Sequence[Event]) -> None:
        if any(event.removed and event.key in self._desired for event in events):
            self._missed.set()

    async def _run(self) -> None:
        while True:
            await self._missed.wait()
            self._missed.clear()
            try:
                for key, one in self._desired.items():
                    if self._store.get(key) is None:
                        await self._create(one)
            except Exception:
                log.exception("a bootstrap object could not be created again; trying in %.0f s", RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                self._missed.set()

    async def _create(self, one: BootstrapObject) -> None:
        await self._writer.create(one.resource, one.namespace, deepcopy(one.body), WriteOptions())

    async def _renew(self, one: BootstrapObject) -> None:
        await self._writer.update(one.resource, one.key, lambda _: deepcopy(one.body), WriteOptions())
