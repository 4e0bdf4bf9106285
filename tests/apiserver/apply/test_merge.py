"""Who owns what, by kubernetes.io "Server-Side Apply", and laws that hold for any configuration."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from podwire.apiserver.apply import fields, merge, typed
from podwire.apiserver.apply.entries import Entries
from podwire.apiserver.apply.merge import Author, ConflictError
from tests.apiserver.apply.shapes import Object, shape, small

SMALL = small()
CONFIG_MAP = shape("v1", "ConfigMap")
POD = shape("v1", "Pod")
NOW = "2026-01-01T00:00:00Z"


class Story:
    """An object, and who does what to it."""

    def __init__(self, kind: Any = SMALL) -> None:
        self.shape = kind
        self.obj: Object = {}
        self.entries: Entries = {}
        self.time = NOW

    def _author(self, name: str) -> Author:
        return Author(name, "v1", self.time)

    def apply(self, name: str, config: Object, *, force: bool = False) -> Object:
        done = merge.applied(self.obj, config, self.entries, self._author(name), self.shape, force=force)
        self.obj, self.entries = done.obj, done.entries
        return self.obj

    def update(self, name: str, obj: Object) -> None:
        if self.obj:
            self.entries = merge.updated(self.obj, obj, self.entries, self._author(name), self.shape)
        else:
            self.entries = merge.created(obj, {}, self._author(name), self.shape)
        self.obj = obj

    def conflicts(self, name: str, config: Object) -> list[str]:
        with pytest.raises(ConflictError) as caught:
            self.apply(name, config)
        return [f"{one.owner}: {one.path}" for one in caught.value.conflicts()]

    def owned(self, name: str) -> list[str]:
        return sorted(
            path for entry in self.entries.values() if entry.name == name for path in fields.paths(entry.fields)
        )


def test_the_same_value_may_have_two_owners() -> None:
    story = Story()
    story.apply("a", {"plain": "x"})
    story.apply("b", {"plain": "x"})
    assert story.owned("a") == story.owned("b") == [".plain"]
    story.apply("a", {"inner": {"a": "1"}})
    assert story.obj == {"plain": "x", "inner": {"a": "1"}}, "the other owner keeps it"
    story.apply("b", {})
    assert story.obj == {"inner": {"a": "1"}}
    assert story.owned("b") == []


@pytest.mark.proves("apply-conflicts")
def test_another_value_is_a_conflict_and_force_takes_the_field() -> None:
    story = Story()
    story.apply("a", {"plain": "x", "free": {"l": "1"}})
    assert story.conflicts("b", {"plain": "y", "free": {"l": "2", "m": "3"}}) == ['"a": .plain', '"a": .free.l']
    story.apply("b", {"plain": "y"}, force=True)
    assert (story.owned("a"), story.owned("b")) == ([".free.l"], [".plain"])
    assert story.conflicts("a", {"plain": "x"}) == ['"b": .plain']


def test_an_update_takes_fields_and_is_named_with_its_version() -> None:
    story = Story()
    story.apply("a", {"plain": "x", "inner": {"a": "1"}})
    story.update("c", {"plain": "z", "inner": {"a": "1"}})
    assert (story.owned("a"), story.owned("c")) == ([".inner.a"], [".plain"])
    assert story.conflicts("a", {"plain": "x", "inner": {"a": "1"}}) == ['"c" using v1: .plain']


def test_ownership_moves_to_a_controller_as_documented() -> None:
    """The user leaves the field out once the controller has set it: nothing is lost in between."""
    story = Story()
    story.apply("user", {"plain": "2", "inner": {"a": "1"}})
    story.update("controller", {"plain": "5", "inner": {"a": "1"}})
    story.apply("user", {"inner": {"a": "1"}})
    assert story.obj == {"plain": "5", "inner": {"a": "1"}}
    assert story.owned("controller") == [".plain"]


@pytest.mark.proves("apply-removes")
def test_fields_of_the_applier_alone_are_removed_when_left_out() -> None:
    story = Story()
    story.apply("a", {"plain": "x", "set": ["p", "q"], "map": [{"name": "m", "value": "1"}], "free": {"k": "1"}})
    story.apply("a", {"set": ["q"]})
    assert story.obj == {"set": ["q"]}


def test_items_that_others_added_to_stay_with_what_is_theirs() -> None:
    story = Story()
    story.apply("a", {"map": [{"name": "m", "value": "1"}]})
    story.apply("b", {"map": [{"name": "m"}, {"name": "n"}]})
    story.apply("a", {})
    assert story.obj == {"map": [{"name": "m"}, {"name": "n"}]}, "b owns the item, and not its value"


def test_fields_without_an_owner_survive_in_an_item_with_one() -> None:
    story = Story(POD)
    story.apply("a", {"spec": {"containers": [{"name": "x", "image": "i", "command": ["c"]}]}})
    story.obj["spec"]["containers"][0]["imagePullPolicy"] = "Always"  # as defaulting does
    story.apply("a", {"spec": {"containers": [{"name": "x", "image": "i"}]}})
    assert story.obj["spec"]["containers"] == [{"name": "x", "image": "i", "imagePullPolicy": "Always"}]


def test_atomic_values_change_hands_whole() -> None:
    story = Story()
    story.apply("a", {"atomic": ["x"], "whole": {"k": "1"}})
    assert story.conflicts("b", {"atomic": ["x", "y"]}) == ['"a": .atomic']
    assert story.conflicts("b", {"whole": {"k": "1", "l": "2"}}) == ['"a": .whole']
    story.apply("b", {"atomic": ["y"]}, force=True)
    assert story.obj["atomic"] == ["y"]
    assert story.owned("a") == [".whole"]


def test_sets_and_maps_are_shared_item_by_item() -> None:
    story = Story()
    story.apply("a", {"set": ["x"], "map": [{"name": "m", "value": "1"}]})
    story.apply("b", {"set": ["y"], "map": [{"name": "n", "value": "2"}]})
    assert story.obj["set"] == ["x", "y"]
    assert [item["name"] for item in story.obj["map"]] == ["m", "n"]
    assert story.conflicts("b", {"map": [{"name": "m", "value": "3"}]}) == ['"a": .map[name="m"].value']


def test_an_object_from_before_server_side_apply_has_one_owner_of_all() -> None:
    story = Story(CONFIG_MAP)
    story.obj = {"metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"x": "1"}}
    refused = {"metadata": {"name": "a"}, "data": {"x": "2"}}
    assert story.conflicts("a", refused) == ['"before-first-apply" using v1: .data.x']
    story.apply("a", {"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}})
    assert story.owned("before-first-apply") == [".data", ".data.x", ".metadata.labels", ".metadata.labels.l"]
    assert story.owned("a") == [".data.x", ".data.y"]


def test_an_object_that_is_not_tracked_stays_so_when_it_is_updated() -> None:
    assert merge.updated({"plain": "x"}, {"plain": "y"}, {}, Author("a", "v1", NOW), SMALL) == {}


def test_the_identity_of_an_object_has_no_owner() -> None:
    story = Story(CONFIG_MAP)
    own = {"name": "a", "namespace": "n", "uid": "u", "generation": 1, "creationTimestamp": NOW, "resourceVersion": "7"}
    story.update("a", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**own, "labels": {"l": "1"}}})
    assert story.owned("a") == [".metadata.labels", ".metadata.labels.l"]
    story.apply("b", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    assert story.owned("b") == []


def test_the_time_is_that_of_the_last_change() -> None:
    story = Story()
    story.apply("a", {"plain": "x"})
    before = story.entries
    story.time = "2026-01-02T00:00:00Z"
    story.apply("a", {"plain": "x"})
    assert story.entries == before
    story.apply("a", {"plain": "y"})
    assert [entry.time for entry in story.entries.values()] == [story.time]


def test_a_subresource_has_entries_of_its_own() -> None:
    scale = replace(Author("a", "v1", NOW), subresource="scale")
    story = Story()
    story.apply("a", {"plain": "x"})
    story.entries = merge.updated(story.obj, {"plain": "y"}, story.entries, scale, SMALL)
    story.obj = {"plain": "y"}
    assert story.conflicts("a", {"plain": "x"}) == ['"a" with subresource "scale" using v1: .plain']


TEXTS = st.sampled_from(["1", "2"])
NAMES = st.sampled_from(["m", "n"])


def configs(*parts: str) -> st.SearchStrategy[Object]:
    """Configurations that speak of some of these fields."""
    every: dict[str, st.SearchStrategy[Any]] = {
        "plain": TEXTS,
        "atomic": st.lists(TEXTS, min_size=1, max_size=2),
        "set": st.lists(NAMES, min_size=1, max_size=2, unique=True),
        "map": st.lists(
            st.fixed_dictionaries({"name": NAMES}, optional={"value": TEXTS}),
            min_size=1,
            max_size=2,
            unique_by=lambda item: item["name"],
        ),
        "whole": st.dictionaries(NAMES, TEXTS, min_size=1),
        "free": st.dictionaries(NAMES, TEXTS, min_size=1),
        "inner": st.dictionaries(st.sampled_from("ab"), TEXTS, min_size=1),
    }
    return st.fixed_dictionaries({}, optional={part: every[part] for part in parts or every})


@given(configs(), configs(), configs())
def test_applying_twice_is_applying_once(first: Object, second: Object, config: Object) -> None:
    story = Story()
    story.apply("a", first)
    story.apply("b", second, force=True)
    story.apply("a", config, force=True)
    once = story.obj, story.entries
    story.time = "2026-01-02T00:00:00Z"
    story.apply("a", config)
    assert (story.obj, story.entries) == once


@given(configs("plain", "set", "whole"), configs("atomic", "map", "free", "inner"))
def test_applies_of_different_fields_commute(one: Object, other: Object) -> None:
    forwards, backwards = Story(), Story()
    forwards.apply("a", one)
    forwards.apply("b", other)
    backwards.apply("b", other)
    backwards.apply("a", one)
    assert forwards.obj == backwards.obj
    assert forwards.entries == backwards.entries


@given(configs(), configs())
def test_what_is_applied_is_there_and_what_has_no_owner_is_gone(first: Object, second: Object) -> None:
    story = Story()
    story.apply("a", first)
    story.apply("a", second)
    assert story.obj == second
    story.apply("a", {})
    assert (story.obj, story.entries) == ({}, {})


@given(configs(), configs())
def test_absent_fields_have_no_owner(first: Object, second: Object) -> None:
    story = Story()
    story.update("u", first)
    story.apply("a", second, force=True)
    story.update("u", second)
    existing = typed.made_fields(story.obj, SMALL)
    for entry in story.entries.values():
        assert fields.difference(entry.fields, existing) == {}
