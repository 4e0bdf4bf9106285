"""CustomResourceDefinition controller: status inside the write, serving from the commit on.

    event                        effect
    definition written           status and names inside the write; its versions served when it is committed
    its spec changed             resources replaced; the kind's watches end, so that clients see the new form
    DELETE                       marked; no new objects; its objects are deleted, then the definition
    gone                         served no longer; watches end; definitions that wait for its names are written again

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/customresource_handler.go`, `pkg/controller/finalizer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.custom import definition as definitions
from podwire.apiserver.custom.definition import CLEANUP, STORAGE, Definition
from podwire.apiserver.definitions.names import Claim, Claims
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes.deletion import DeleteOptions
from podwire.apiserver.writes.options import WriteOptions
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.reads.watch_hub import Hub
    from podwire.apiserver.storage.revisions import Event, Stored
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.admission import Write
    from podwire.apiserver.writes.writer import Writer

Object = dict[str, Any]

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Definitions:
    """All definitions of one server. `admit` takes part in every write; `start` serves what the store holds."""

    def __init__(self, store: Store, registry: Registry, hub: Hub, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._registry = registry
        self._hub = hub
        self._clock = clock
        self._claims = Claims(registry.all())
        self._served: dict[str, tuple[str, tuple[Resource, ...]]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._removal = asyncio.Event()
        self._writer: Writer | None = None

    def admit(self, write: Write) -> None:
        """Complete a definition; refuse an object whose definition is gone."""
        if write.resource.storage == STORAGE:
            self._complete(write)
        elif write.resource.custom is not None and write.transaction.get(_home(write.resource)) is None:
            raise status.no_such_path()

    def start(self, writer: Writer) -> None:
        """Serve every definition of the store, and go on with deletions that were under way."""
        self._writer = writer
        for stored in self._store.objects(STORAGE):
            found = definitions.of(stored)
            self._claims.put(stored.key.name, _claim(found))
            self._follow(stored, found)
        self._store.subscribe(self._on_events)

    async def stop(self) -> None:
        """Cancel the background tasks."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _complete(self, write: Write) -> None:
        """Finalizer, names, conditions. What is malformed is left to validation, which comes next."""
        from podwire.apiserver.definitions import conditions

        obj, name = write.obj, write.obj["metadata"]["name"]
        try:
            spec = definitions.spec_of(obj)
        except msgspec.ValidationError:
            return
        if write.old is None and CLEANUP not in obj["metadata"].setdefault("finalizers", []):
            obj["metadata"]["finalizers"].append(CLEANUP)
        claim = Claim(name, spec.group, spec.names)
        conflicts = self._claims.conflicts(claim)
        self._reserve(write, None if conflicts else claim)
        unusable = _unusable(spec)
        if write.old is None or write.old.get("spec") != obj["spec"]:
            for rule in unusable:
                log.warning("CustomResourceDefinition %s: a CEL rule is not evaluated: %s", name, rule)
        with contextlib.suppress(KeyError, TypeError):
            conditions.complete(obj, conditions.Findings(conflicts, unusable), timestamp(self._clock()))

    def _reserve(self, write: Write, claim: Claim | None) -> None:
        name = write.obj["metadata"]["name"]
        before = self._claims.get(name)
        if claim is None and before is not None:
            return
        self._claims.put(name, claim)
        write.transaction.when_done(lambda: None, lambda: self._claims.put(name, before))

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.removed:
                self._removal.set()
            if event.key.storage != STORAGE:
                continue
            if event.removed:
                self._forget(event.key.name)
            else:
                self._follow(event.new, definitions.of(event.new))

    def _follow(self, stored: Stored, found: Definition) -> None:
        name = stored.key.name
        if found.established:
            self._serve(stored, found)
        if found.terminating:
            self._run(f"delete {name}", self._delete_objects(name))

    def _serve(self, stored: Stored, found: Definition) -> None:
        from podwire.apiserver.definitions import serving

        name, mark = stored.key.name, serving.fingerprint(found)
        known, before = self._served.get(name, ("", ()))
        if known == mark:
            return
        desired = serving.resources(found, stored.version)
        kept = {resource.version for resource in desired}
        for resource in before:
            if resource.version not in kept:
                self._registry.remove(resource.group, resource.version, resource.plural)
        for resource in desired:
            self._registry.add(resource)
        self._served[name] = mark, desired
        if before:
            self._hub.end_storage(name)

    def _forget(self, name: str) -> None:
        """Stop serving a kind, and give its names to the definitions of its group that wait for them."""
        _, before = self._served.pop(name, ("", ()))
        for resource in before:
            self._registry.remove(resource.group, resource.version, resource.plural)
        self._hub.end_storage(name)
        self._claims.put(name, None)
        group = name.partition(".")[2]
        for stored in self._store.objects(STORAGE):
            other = stored.key.name
            if other not in self._served and other.partition(".")[2] == group:
                self._run(f"names of {other}", self._touch(other))

    def _run(self, title: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a task in the background, once at a time by its title."""
        if title in self._tasks:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work, name=title)
        self._tasks[title] = task
        task.add_done_callback(lambda _: self._tasks.pop(title, None))

    async def _touch(self, name: str, change: Callable[[Object], Object] = lambda obj: obj) -> None:
        """Write a definition again, so that its status is computed again."""
        resource = self._registry.find(definitions.GROUP, "v1", "customresourcedefinitions")
        if resource is None or self._writer is None:
            return
        try:
            await self._writer.update(resource, Key(STORAGE, "", name), change, WriteOptions())
        except StatusError as error:
            log.warning("CustomResourceDefinition %s could not be written: %s", name, error)

    async def _delete_objects(self, name: str) -> None:
        """Delete the objects of a definition, wait for their finalizers, then remove the definition's own finalizer."""
        await self._touch(name)
        while left := self._store.objects(name):
            self._removal.clear()
            await asyncio.gather(*(self._delete(stored) for stored in left))
            with contextlib.suppress(TimeoutError):
                if self._store.objects(name):
                    await asyncio.wait_for(self._removal.wait(), RETRY_SECONDS)
        await self._touch(name, _released)

    async def _delete(self, stored: Stored) -> None:
        _, served = self._served.get(stored.key.storage, ("", ()))
        if not served or self._writer is None or "deletionTimestamp" in stored.object()["metadata"]:
            return
        try:
            await self._writer.delete(served[0], stored.key, DeleteOptions())
        except StatusError as error:
            if error.code != 404:
                log.warning("%s %s could not be deleted: %s", stored.key.storage, stored.key.name, error)


def _home(resource: Resource) -> Key:
    """The key of a kind's definition."""
    return Key(STORAGE, "", resource.storage)


def _claim(found: Definition) -> Claim | None:
    return Claim(found.metadata.name, found.spec.group, found.spec.names) if found.established else None


def _released(obj: Object) -> Object:
    """The definition without its own finalizer."""
    kept = [one for one in obj["metadata"].get("finalizers") or () if one != CLEANUP]
    return {**obj, "metadata": {**obj["metadata"], "finalizers": kept}}


def _unusable(spec: definitions.Spec) -> list[Any]:
    """The CEL expressions of a spec that cannot be compiled."""
    from podwire.apiserver.custom import rules, structural

    found: list[Any] = []
    for version in spec.versions:
        text = bytes(version.schema.schema)
        if b"x-kubernetes-validations" in text:
            with contextlib.suppress(msgspec.ValidationError):
                found += rules.unusable(structural.parse(text), f"{version.name}")
    return found
