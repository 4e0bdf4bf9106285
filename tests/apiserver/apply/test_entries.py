"""Entries of managedFields."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.apply import entries
from podwire.apiserver.apply.entries import ANCIENT, APPLY, MOST_UPDATERS, UPDATE, Entry

ENTRY = {
    "manager": "a",
    "operation": "Update",
    "apiVersion": "v1",
    "time": "2026-01-01T00:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:a": {}},
    "subresource": "status",
}


def update(name: str, minute: int, version: str = "v1") -> Entry:
    return Entry(name, UPDATE, version, {f"f:{name}": {}}, f"2026-01-01T00:{minute:02}:00Z")


def test_an_entry_is_stored_as_it_was_read() -> None:
    assert entries.encoded(entries.stored([ENTRY])) == [ENTRY]
    assert entries.claimed([ENTRY]) == entries.stored([ENTRY])


def test_applies_come_first_then_the_oldest() -> None:
    order = [Entry("z", APPLY, "v1", {}), Entry("y", APPLY, "v1", {}, "2026"), update("b", 1), update("a", 2)]
    found = entries.encoded({entry.identity: entry for entry in reversed(order)})
    assert [entry["manager"] for entry in found] == ["z", "y", "b", "a"]


@pytest.mark.parametrize("empty", [[], [{}]])
def test_a_client_can_clear_all_entries(empty: Any) -> None:
    assert entries.claimed(empty) == {}


@pytest.mark.parametrize(
    "claim",
    [
        "x",
        7,
        ["x"],
        [{**ENTRY, "operation": "Own"}],
        [{**ENTRY, "apiVersion": ""}],
        [{**ENTRY, "fieldsType": "FieldsV2"}],
        [{**ENTRY, "fieldsV1": {"x:a": {}}}],
        [{}, {}],
    ],
)
def test_claims_that_make_no_sense_are_ignored(claim: Any) -> None:
    assert entries.claimed(claim) is None


def test_the_version_identifies_updates_but_not_applies() -> None:
    assert update("a", 1, "v1").identity != update("a", 1, "v2").identity
    assert Entry("a", APPLY, "v1", {}).identity == Entry("a", APPLY, "v2", {}).identity


def test_the_oldest_updates_are_joined_when_there_are_too_many() -> None:
    many = [update(f"m{count}", count) for count in range(MOST_UPDATERS + 2)]
    applier = Entry("a", APPLY, "v1", {"f:a": {}})
    kept = entries.capped({entry.identity: entry for entry in (applier, *many)})
    assert len(kept) == MOST_UPDATERS + 1
    joined = next(entry for entry in kept.values() if entry.name == ANCIENT)
    assert joined.fields == {"f:m0": {}, "f:m1": {}, "f:m2": {}}
    assert joined.time == many[2].time
    assert "a" in {entry.name for entry in kept.values()}
    assert entries.capped(kept) == kept
    assert "m3" in {entry.name for entry in kept.values()}


def test_updates_of_different_versions_are_not_joined() -> None:
    many = [update(f"m{count}", count, f"v{count}") for count in range(MOST_UPDATERS + 2)]
    kept = entries.capped({entry.identity: entry for entry in many})
    assert len(kept) == MOST_UPDATERS + 2
