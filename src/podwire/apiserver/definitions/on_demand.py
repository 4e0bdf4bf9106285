"""Kinds of other projects: served by their names from the start, defined by the first request that needs more.

    until then    discovery has names and verbs; podwire's own programs list and watch them, and get empty lists
    the request   definitions, and GatewayClasses, are written like any others, then it is answered
    from then on  nothing here is used: what a user changes or deletes stays so, also after a restart

A cluster without such objects has none of the schemas in its memory or its store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.custom.definition import GROUP, STORAGE
from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.writes.options import WriteOptions

if TYPE_CHECKING:
    from podwire.apiserver.base.authentication import User
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.base.routes import Route
    from podwire.apiserver.definitions.bundle import Bundle
    from podwire.apiserver.kinds.resources import Registry
    from podwire.apiserver.reads.watch_hub import Hub
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.writes.writer import Writer

Object = dict[str, Any]

MANAGER = "kubectl"
"""The field manager of the definitions: `kubectl apply --server-side` of another release then has no conflicts."""

_OWN_PROGRAMS = ("system:kube-controller-manager", "podwire:")
"""Users whose reads do not need the definitions: they follow all kinds, or those that have objects."""


class OnDemandDefinitions:
    """The definitions of one bundle."""

    def __init__(self, bundle: Bundle, store: Store, registry: Registry, hub: Hub) -> None:
        self._bundle = bundle
        self._mark = Key("podwire.io/bundles", "", bundle.folder.replace("_", "-"))
        """An object that no request can name: the definitions have been stored once."""
        groups = sorted(bundle.groups)
        self._documents = ("/openapi/v2", *(f"/openapi/v3/apis/{group}/" for group in groups))
        self._store = store
        self._registry = registry
        self._hub = hub
        self._writer: Writer | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, writer: Writer) -> None:
        """Serve the names of all kinds whose definitions have never been stored."""
        from podwire.apiserver.definitions import bundle, serving

        if self._store.get(self._mark) is not None:
            return
        for definition in bundle.names(self._bundle.channel, self._bundle.folder):
            for version in definition.served:
                if self._registry.find(definition.spec.group, version.name, definition.spec.names.plural) is None:
                    self._registry.add(serving.resource(definition, version, None))
        self._writer = writer

    async def stop(self) -> None:
        """Cancel a write that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def prepare(self, request: Request, route: Route | None) -> None:
        """Store the definitions before a request that needs them; raises StatusError where they cannot be written."""
        if self._writer is None or not self._needs(request, route):
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._store_all(self._writer))
        await asyncio.shield(self._task)

    async def _store_all(self, writer: Writer) -> None:
        from podwire.apiserver.definitions import bundle

        for definition in bundle.definitions(self._bundle.channel, self._bundle.folder):
            await self._put(writer, definition)
            self._hub.end_storage(definition["metadata"]["name"])  # streams that began without the schema
        for each in self._bundle.objects:
            await self._put(writer, each)
        await self._store.transact(lambda transaction: transaction.put(self._mark, _named(self._mark)))
        self._writer = None

    async def _put(self, writer: Writer, body: Object) -> None:
        """Create an object, unless it exists: an earlier try may have ended half-way."""
        resource = self._registry.by_kind(body["apiVersion"], body["kind"])
        if resource is None:
            raise StatusError(500, "InternalError", f"{body['kind']} is not served")
        key = Key(resource.storage, "", body["metadata"]["name"])
        if self._store.get(key) is None:
            await writer.apply(resource, key, body, WriteOptions(author=MANAGER), lambda: None)

    def _needs(self, request: Request, route: Route | None) -> bool:
        """Whether the answer depends on the definitions."""
        if route is None:
            return request.path.startswith(self._documents)
        if route.group not in self._bundle.groups and (route.group != GROUP or not STORAGE.startswith(route.plural)):
            return False
        return request.method != "GET" or not _is_own_program(request.user)


def _is_own_program(user: User | None) -> bool:
    return user is not None and user.name.startswith(_OWN_PROGRAMS)


def _named(key: Key) -> Object:
    return {"metadata": {"name": key.name}}
