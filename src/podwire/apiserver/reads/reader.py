"""Getting, listing and watching objects."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from podwire.apiserver.base import status
from podwire.apiserver.base.requests import Response
from podwire.apiserver.kinds import conversion
from podwire.apiserver.reads import list_options, negotiation
from podwire.apiserver.reads.list_options import ListOptions
from podwire.apiserver.reads.representations import InVersion, View, view
from podwire.apiserver.reads.selectors import Selection, selection
from podwire.apiserver.reads.watcher import Lines, WatchAnswer, Watcher, added_line, bookmark_line, event_line
from podwire.apiserver.storage.revisions import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.reads.watch_hub import Hub
    from podwire.apiserver.storage.revisions import Event, Stored
    from podwire.apiserver.storage.store import Store

SHORTEST_WATCH_SECONDS = 1800
"""Without timeoutSeconds a stream ends after this to twice this time, so that streams do not end together."""


def requested_view(request: Request, resource: Resource, *, streamed: bool = False) -> View:
    """The view that the client accepts, `streamed` in a watch; raises StatusError 400 or 406."""
    accepted = negotiation.negotiate(request.headers.get("accept", ""))
    found = view(resource, accepted.form, request.parameter("includeObject"), streamed=streamed)
    return found if accepted.version == "v1" else InVersion(found, accepted.version)


class Reader:
    """All reads of one store."""

    def __init__(self, store: Store, hub: Hub, clock: Callable[[], float]) -> None:
        self._store = store
        self._hub = hub
        self._clock = clock

    def get(self, request: Request, resource: Resource, key: Key) -> Response:
        """One object; raises StatusError 404."""
        return Response(requested_view(request, resource).one(self.stored(resource, key)))

    def stored(self, resource: Resource, key: Key) -> Stored:
        """One object as it is stored; raises StatusError 404."""
        found = self._store.get(key)
        if found is None:
            raise status.not_found(resource, key.name)
        return found

    def select(self, request: Request, resource: Resource, namespace: str) -> Selection:
        """The selection of a request on a collection; raises StatusError 400."""
        labels, fields = request.parameter("labelSelector"), request.parameter("fieldSelector")
        more = resource.custom.selectable_fields if resource.custom is not None else ()
        return selection(resource.storage, namespace, labels, fields, more, conversion.selectable(resource))

    def all(self, resource: Resource, namespace: str) -> list[Stored]:
        """All objects of a collection."""
        return self._store.objects(resource.storage, namespace)

    def answer_list(self, request: Request, resource: Resource, items: Sequence[Stored]) -> Response:
        """These objects as a list of the present."""
        metadata = {"resourceVersion": str(self._store.version)}
        return Response(requested_view(request, resource).many(items, metadata))

    async def collection(self, request: Request, resource: Resource, namespace: str) -> Response | WatchAnswer:
        """A list, or a watch where `watch` is set."""
        desired = list_options.options(request)
        selected = self.select(request, resource, namespace)
        shown = requested_view(request, resource, streamed=desired.watch)
        if desired.watch:
            return await self._watch(resource, selected, shown, desired)
        page = await list_options.read_page(self._store, resource.storage, selected, desired)
        return Response(shown.many(page.items, page.metadata()))

    async def _watch(self, resource: Resource, selected: Selection, shown: View, desired: ListOptions) -> WatchAnswer:
        await list_options.wait_until_fresh(self._store, desired.version or 0)
        try:
            initial = self._initial(resource.storage, selected, shown, desired)
        except status.ExpiredError as error:
            lost = Watcher(selected, shown)
            lost.refuse(error)
            return WatchAnswer(lost, resource.storage)
        started = self._clock()
        seconds = desired.timeout_seconds or random.uniform(1, 2) * SHORTEST_WATCH_SECONDS  # noqa: S311
        watcher = Watcher(
            selected,
            shown,
            initial=initial,
            bookmarks=desired.bookmarks,
            started=started,
            ends=started + seconds,
        )
        self._hub.add(resource.storage, watcher)
        return WatchAnswer(watcher, resource.storage)

    def _initial(self, storage: str, selected: Selection, shown: View, desired: ListOptions) -> Iterable[bytes]:
        """What the stream begins with: the present state, or what happened since a version."""
        if desired.initial_events or (desired.initial_events is None and not desired.version):
            items = self._store.objects(storage, selected.namespace)
            return _present(items, selected, shown, self._store.version if desired.initial_events else None)
        if not desired.version:
            return ()
        return _missed(self._store.events_after(storage, desired.version), selected, shown)


def _present(items: Sequence[Stored], selected: Selection, shown: View, end: int | None) -> Iterator[bytes]:
    """A synthetic ADDED for each object, then the bookmark that ends them. Made as the client takes them."""
    for item in items:
        if selected.matches(item):
            yield added_line(item, shown)
    if end is not None:
        yield bookmark_line(shown, end, initial_events_end=True)


def _missed(events: Sequence[Event], selected: Selection, shown: View) -> Iterator[bytes]:
    for event in events:
        if line := event_line(event, selected, shown, Lines()):
            yield line
