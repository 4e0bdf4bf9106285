"""Lists and the start of watches: which moment, which objects, which page.

Source: kubernetes.io api-concepts "Semantics for get and list", "Semantics for watch"; k8s.io/apimachinery
`pkg/apis/meta/internalversion/validation`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import field_errors, status
from podwire.apiserver.reads import continue_token as pages
from podwire.apiserver.reads.continue_token import Position
from podwire.apiserver.storage.revisions import Key
from podwire.kube.numbers import read_number

if TYPE_CHECKING:
    from podwire.apiserver.base.requests import Request
    from podwire.apiserver.reads.selectors import Selection
    from podwire.apiserver.storage.revisions import Stored
    from podwire.apiserver.storage.store import Store
    from podwire.apiserver.storage.table import Part

FRESH_SECONDS = 3.0
"""How long a request waits for a version that the store has not reached (k8s.io/apiserver watch_cache.go)."""


class ListOptions(msgspec.Struct, frozen=True):
    """Query parameters of a list or watch. `version` None: not given."""

    version: int | None = None
    match: str = ""
    limit: int = 0
    continue_token: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout_seconds: int = 0

    @property
    def exact(self) -> bool:
        """Whether the state at `version` itself is requested; with a limit that is the legacy meaning."""
        return self.match == "Exact" or (not self.match and bool(self.version) and self.limit > 0)


class Page(msgspec.Struct, frozen=True):
    """A part of a list, or all of it, at one version."""

    items: list[Stored]
    version: int
    continue_token: str = ""
    remaining: int | None = None

    def metadata(self) -> dict[str, Any]:
        """`metadata` of the list object."""
        metadata: dict[str, Any] = {"resourceVersion": str(self.version)}
        if self.continue_token:
            metadata["continue"] = self.continue_token
        if self.remaining is not None:
            metadata["remainingItemCount"] = self.remaining
        return metadata


def options(request: Request) -> ListOptions:
    """Read and check the parameters; raises StatusError 400 or 422."""
    initial = request.flag("sendInitialEvents") if "sendInitialEvents" in request.query else None
    found = ListOptions(
        version=_version(request.parameter("resourceVersion")),
        match=request.parameter("resourceVersionMatch"),
        limit=_count(request, "limit"),
        continue_token=request.parameter("continue"),
        watch=request.flag("watch"),
        bookmarks=request.flag("allowWatchBookmarks"),
        initial_events=initial,
        timeout_seconds=_count(request, "timeoutSeconds"),
    )
    if found.continue_token and found.version and not found.match and not found.watch:
        raise status.bad_request("specifying resource version is not allowed when using continue")
    problem = _watch_problem(found) if found.watch else _list_problem(found)
    if problem is not None:
        raise status.invalid_options("ListOptions", problem)
    return found


async def read_page(store: Store, storage: str, selection: Selection, desired: ListOptions) -> Page:
    """One page; raises ExpiredError for a version that is too old and StatusError 504 for one that has not come."""
    if desired.continue_token:
        return _next_page(store, storage, selection, desired)
    await wait_until_fresh(store, desired.version or 0)
    version = desired.version if desired.exact and desired.version else store.version
    return _cut(_at(store, storage, selection, version), selection, desired.limit, version)


async def wait_until_fresh(store: Store, version: int) -> None:
    """Wait a little for a version; raises StatusError 504 when the store does not come to it."""
    if not await store.reached(version, FRESH_SECONDS):
        raise status.version_too_large(version, store.version)


def _next_page(store: Store, storage: str, selection: Selection, desired: ListOptions) -> Page:
    after = pages.position(desired.continue_token)
    version = after.version or store.version
    try:
        part = _at(store, storage, selection, version, Key(storage, after.namespace, after.name))
    except status.ExpiredError as error:
        message = "The provided continue parameter is too old to display a consistent list result."
        fresh = Position(0, after.namespace, after.name).token()
        raise status.ExpiredError(message, fresh) from error
    return _cut(part, selection, desired.limit, version)


def _at(store: Store, storage: str, selection: Selection, version: int, after: Key | None = None) -> Part:
    if version > store.version:
        raise status.bad_request("invalid continue token: start the list again without it")
    return store.at(storage, selection.namespace, version, after)


def _cut(part: Part, selection: Selection, limit: int, version: int) -> Page:
    """The first `limit` objects that are selected, and where to go on; costs what is looked at until then."""
    selected = part.objects if selection.selects_all else filter(selection.matches, part.objects)
    if not limit:
        return Page(list(selected), version)
    found = list(islice(selected, limit + 1))
    if len(found) <= limit:
        return Page(found, version)
    last = found[limit - 1].key
    remaining = part.count - limit if selection.selects_all else None
    return Page(found[:limit], version, Position(version, last.namespace, last.name).token(), remaining)


def _version(text: str) -> int | None:
    if not text:
        return None
    version = read_number(text, 19)
    if version is None:
        raise status.bad_request(f"resourceVersion: Invalid value: {text!r}: it is a decimal number that a list gave")
    return version


def _count(request: Request, name: str) -> int:
    text = request.parameter(name)
    count = read_number(text or "0", 9)
    if count is None:
        raise status.bad_request(f"{name}: Invalid value: {text!r}: it is a number from 0 up")
    return count


def _list_problem(desired: ListOptions) -> field_errors.Cause | None:
    """What is wrong with a list's parameters, None if nothing."""
    if desired.initial_events is not None:
        return field_errors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if not desired.match:
        return None
    if desired.continue_token:
        return field_errors.forbidden(
            "resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"
        )
    if desired.version is None:
        return field_errors.forbidden(
            "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if desired.match not in {"Exact", "NotOlderThan"}:
        return field_errors.unsupported("resourceVersionMatch", desired.match, ["Exact", "NotOlderThan"])
    if desired.match == "Exact" and desired.version == 0:
        return field_errors.forbidden(
            "resourceVersionMatch", 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
        )
    return None


def _watch_problem(desired: ListOptions) -> field_errors.Cause | None:
    """What is wrong with a watch's parameters, None if nothing."""
    if desired.initial_events is None:
        if desired.match:
            return field_errors.forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
        return None
    if not desired.match:
        return field_errors.forbidden(
            "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        )
    if desired.match != "NotOlderThan":
        return field_errors.unsupported("resourceVersionMatch", desired.match, ["NotOlderThan"])
    if desired.continue_token:
        return field_errors.forbidden("continue", "continue is forbidden for watch with sendInitialEvents")
    return None
