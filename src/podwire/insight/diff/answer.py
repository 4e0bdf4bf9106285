"""The answer of `podwire diff OLD NEW`: open both states, compare, print."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from podwire.insight.diff import connections, entries, objects, overlay, text
from podwire.insight.diff.report import Effect, Report
from podwire.insight.snapshot.opening import Sources, open_snapshot
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.manifests import ManifestError
from podwire.insight.sources.texts import STANDARD_INPUT

if TYPE_CHECKING:
    from podwire.insight.target import Choice


class State(msgspec.Struct, frozen=True):
    """One of both states: as it was named, and what it is read from."""

    name: str
    sources: Sources


FAILURES = {"opened": (Effect.OPENED,), "closed": (Effect.CLOSED,), "any": tuple(Effect), "none": ()}
"""What each value of `--fail-on` means."""


def report(old: State, new: State, choice: Callable[[], Choice]) -> Report:
    """Return the difference. Raises ManifestError, TooManyPairsError and, for a live state, UnreachableError.

    Of a live state and a written one, the written one is taken as applied to the live one: namespaces that it has no
    object of stay as they are.
    """
    if old.name == new.name == STANDARD_INPUT:
        raise ManifestError("OLD and NEW are both '-': standard input is one of them")
    first, second = (
        open_snapshot(one.sources, choice() if one.sources.is_live else None, with_requests=True) for one in (old, new)
    )
    if first.is_planned is not second.is_planned:
        first, second = (overlay.applied(first, second), second) if first.is_planned else (
            first, overlay.applied(second, first)
        )  # fmt: skip
    return differences(first, second, (old.name, new.name))


def differences(old: Snapshot, new: Snapshot, shown: tuple[str, str]) -> Report:
    """Return the difference of two states."""
    before, after = ({**entries.of_services(one), **_of_requests(one)} for one in (old, new))
    notes = [note.text for one in (old, new) for note in one.notes]
    unread = [f"this account may not list {name}" for one in (old, new) for name in one.unreadable]
    return Report(
        *shown,
        connections.differences(old, new),
        entries.differences(before, after),
        objects.differences(old, new),
        tuple(dict.fromkeys((*notes, *unread))),
    )


def _of_requests(snapshot: Snapshot) -> entries.Places:
    """Return where Ingresses and the routes of Gateways lead; nothing is imported where there are none."""
    if not any(one.kind[1] == "Ingress" or one.kind[0].startswith("gateway.") for one in snapshot.others):
        return {}
    from podwire.insight.diff import request_entries

    return request_entries.entries(snapshot)


def written(found: Report, form: str) -> str:
    """Return the difference in a form: text, markdown or json."""
    if form == "json":
        return f"{msgspec.json.format(msgspec.json.encode(found)).decode()}\n"
    return text.markdown(found) if form == "markdown" else text.text(found)


def fails(found: Report, fail_on: str) -> bool:
    """Whether the difference has what `--fail-on` names."""
    return any(found.has(effect) for effect in FAILURES[fail_on])
