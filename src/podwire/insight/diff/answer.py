"""The answer of `podwire diff OLD NEW`: open both states, compare, print."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from podwire.insight.diff import connections, entries, objects, overlay, text
from podwire.insight.diff.report import Effect, Report
from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.opening import Sources, open_snapshot
from podwire.insight.snapshot.planned import keys_of, snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.stateful_sets import OWN_LABELS, apart
from podwire.insight.sources import git_revision
from podwire.insight.sources.manifests import ManifestError
from podwire.insight.sources.text import SourceError
from podwire.insight.sources.texts import STANDARD_INPUT

if TYPE_CHECKING:
    from podwire.insight.target import Choice


class State(msgspec.Struct, frozen=True):
    """One of both states: as it was named, and what it is read from."""

    name: str
    sources: Sources


FAILURES = {"opened": (Effect.OPENED,), "closed": (Effect.CLOSED,), "any": tuple(Effect), "none": ()}
"""What each value of `--fail-on` means."""


def report(old: State, new: State, choice: Callable[[], Choice], *, prune: bool = False) -> Report:
    """Return the difference. Raises ManifestError, TooManyPairsError and, for a live state, UnreachableError.

    Of a live state and a written one, the written one is taken as applied to the live one.
    """
    if old.name == new.name == STANDARD_INPUT:
        raise ManifestError("OLD and NEW are both '-': standard input is one of them")
    absent = [one for one in (old, new) if _is_absent(one, new if one is old else old)]
    if len(absent) == 2:
        raise ManifestError(f"neither {old.name} nor {new.name} is there: name one that is")
    first, second = (_empty(one) if one in absent else _opened(one, choice) for one in (old, new))
    first, second = told_apart(first, second)
    if first.is_planned is not second.is_planned:
        first, second = (overlay.applied(first, second, prune=prune), second) if first.is_planned else (
            first, overlay.applied(second, first, prune=prune)
        )  # fmt: skip
        first, second = with_dns(first, second)
    elif prune:
        raise ManifestError("--prune is for a written state that is applied to `live`: leave it out")
    found = differences(first, second, (old.name, new.name))
    notes = (f"{one.name} is not there: taken as empty" for one in absent)
    return msgspec.structs.replace(found, notes=(*notes, *found.notes))


def _opened(state: State, choice: Callable[[], Choice]) -> Snapshot:
    return open_snapshot(state.sources, choice() if state.sources.is_live else None, with_requests=True)


def _is_absent(state: State, other: State) -> bool:
    """Whether the path is missing on one side only: a change may add or remove a whole folder.

    The other side must name the same path, of a revision or of the files here. Any other name that means nothing is
    taken for a mistake, which reading it reports. Raises ManifestError for a path outside of the repository.
    """
    revision, colon, path = state.name.partition(":")
    if os.path.exists(state.name) or state.sources.is_live or STANDARD_INPUT in (state.name, other.name):
        return False
    beside = other.name if os.path.exists(other.name) else other.name.partition(":")[2]
    if not beside or os.path.relpath(beside) != os.path.relpath(path if colon else state.name):
        return False
    try:
        return not colon or (git_revision.is_revision(revision) and not git_revision.is_there(state.name))
    except SourceError as error:
        raise ManifestError(str(error)) from None


def told_apart(*states: Snapshot) -> tuple[Snapshot, ...]:
    """Return the states with pods of StatefulSets one by one where a selector of either reads their own labels."""
    if not OWN_LABELS & frozenset().union(*map(keys_of, states)):
        return states
    return tuple(
        msgspec.structs.replace(one, workloads=tuple(part for whole in one.workloads for part in apart(whole)))
        for one in states
    )


def with_dns(*states: Snapshot) -> tuple[Snapshot, ...]:
    """Return the states with the DNS that is assumed of files in all or in none: a cluster's may have other labels."""
    if not any(map(assumed_dns.is_missing, states)):
        return states
    written = (assumed_dns.completed(msgspec.structs.replace(one, is_planned=True)) for one in states)
    return tuple(
        msgspec.structs.replace(completed, is_planned=one.is_planned)
        for completed, one in zip(written, states, strict=True)
    )


def _empty(state: State) -> Snapshot:
    """Return the objects that both states have (`-f`, `-k`), without those of the name."""
    if state.sources.under is not None:
        return open_snapshot(state.sources.under)
    return snapshot_of((), state.sources.namespace, state.sources.pod_ranges)


def differences(old: Snapshot, new: Snapshot, shown: tuple[str, str]) -> Report:
    """Return the difference of two states."""
    before, after = ({**entries.of_services(one), **_of_requests(one)} for one in (old, new))
    notes = [note.text for one in (old, new) for note in one.notes]
    notes += _not_read(old, new)
    unread = [f"this account may not list {name}" for one in (old, new) for name in one.unreadable]
    return Report(
        *shown,
        connections.differences(old, new),
        entries.differences(before, after),
        objects.differences(old, new),
        tuple(dict.fromkeys((*notes, *unread))),
    )


def _not_read(old: Snapshot, new: Snapshot) -> Iterator[str]:
    """Yield the kinds that no answer reads, as the new state has them; those with pods have a note."""
    kinds = {one.kind: one for state in (old, new) for one in state.unknown if not one.with_pods}
    yield from (kinds[name].text for name in sorted(kinds))


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
