"""Walks over objects by their shape."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.apply import fields, typed
from podwire.apiserver.apply.shapes import ANYTHING
from tests.apiserver.apply.shapes import Object, shape, small

SMALL = small()
POD = shape("v1", "Pod")
SERVICE = shape("v1", "Service")
OMITTED = (
    '.map: element 0: associative list with keys has an element that omits key field "name" '
    "(and doesn't have default value)"
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"plain": "x"}, {"f:plain": {}}),
        ({"atomic": ["x"]}, {"f:atomic": {}}),
        ({"set": ["x", "y"]}, {"f:set": {'v:"x"': {}, 'v:"y"': {}}}),
        (
            {"map": [{"name": "x", "value": "1"}]},
            {"f:map": {'k:{"name":"x"}': {".": {}, "f:name": {}, "f:value": {}}}},
        ),
        ({"whole": {"a": "1"}}, {"f:whole": {}}),
        ({"free": {"a": "1"}}, {"f:free": {"f:a": {}}}),
        ({"free": {}}, {"f:free": {}}),
        ({"map": []}, {}),
        ({"inner": {"a": "1"}}, {"f:inner": {"f:a": {}}}),
        ({"any": {"a": {"b": [1]}}}, {"f:any": {"f:a": {".": {}, "f:b": {}}}}),
    ],
)
def test_the_fields_of_a_configuration(value: Object, expected: Object) -> None:
    assert typed.field_set(value, SMALL) == expected


def test_the_fields_of_what_a_write_makes_have_the_things_themselves_but_for_go_structs() -> None:
    made = typed.made_fields({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "x"}]}}, POD)
    assert made == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {"f:containers": {".": {}, 'k:{"name":"x"}': {".": {}, "f:name": {}}}},
    }
    assert typed.made_fields({"inner": {"a": "1"}}, SMALL) == {"f:inner": {".": {}, "f:a": {}}}


def test_key_fields_with_a_default_may_be_left_out() -> None:
    found = typed.field_set({"spec": {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}]}}, SERVICE)
    assert list(found["f:spec"]["f:ports"]) == [
        'k:{"port":53,"protocol":"TCP"}',
        'k:{"port":53,"protocol":"UDP"}',
    ]


def test_markers_of_the_published_schemas() -> None:
    spec = typed.field_set({"spec": {"nodeSelector": {"a": "1"}, "tolerations": [{"key": "x"}]}}, POD)
    assert spec == {"f:spec": {"f:nodeSelector": {}, "f:tolerations": {}}}
    claim = typed.field_set({"spec": {"claimRef": {"name": "x"}}}, shape("v1", "PersistentVolume"))
    assert claim == {"f:spec": {"f:claimRef": {"f:name": {}}}}, "the marker beside the reference counts"


@pytest.mark.parametrize(
    ("old", "new", "changed", "removed"),
    [
        ({"plain": "x"}, {"plain": "y"}, [".plain"], []),
        ({"plain": "x"}, {}, [], [".plain"]),
        ({}, {"plain": "x"}, [".plain"], []),
        ({"atomic": ["x"]}, {"atomic": ["x", "y"]}, [".atomic"], []),
        ({"set": ["x"]}, {"set": ["y"]}, ['.set[="y"]'], ['.set[="x"]']),
        ({"set": ["x", "y"]}, {"set": ["y", "x"]}, [], []),
        (
            {"map": [{"name": "x", "value": "1"}, {"name": "y"}]},
            {"map": [{"name": "x", "value": "2"}]},
            ['.map[name="x"].value'],
            ['.map[name="y"]', '.map[name="y"].name'],
        ),
        ({"free": {"a": "1"}}, {"free": {"b": "1"}}, [".free.b"], [".free.a"]),
        ({"free": {"a": "1"}}, {}, [], [".free", ".free.a"]),
        ({"whole": {"a": "1"}}, {"whole": {"b": "1"}}, [".whole"], []),
        ({"any": 1}, {"any": {"a": 1}}, [".any"], []),
    ],
)
def test_what_changed(old: Object, new: Object, changed: list[str], removed: list[str]) -> None:
    more, less = typed.compare(old, new, SMALL)
    assert (list(fields.paths(more)), list(fields.paths(less))) == (changed, removed)


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        ({"plain": "x", "inner": {"a": "1"}}, {"inner": {"b": "2"}}, {"plain": "x", "inner": {"a": "1", "b": "2"}}),
        ({"atomic": ["x"]}, {"atomic": ["y"]}, {"atomic": ["y"]}),
        ({"set": ["x"]}, {"set": ["y"]}, {"set": ["x", "y"]}),
        ({"whole": {"a": "1"}}, {"whole": {"b": "1"}}, {"whole": {"b": "1"}}),
        ({"free": {"a": "1"}}, {"free": {"b": "1"}}, {"free": {"a": "1", "b": "1"}}),
        ({"any": [1]}, {"any": {"a": 1}}, {"any": {"a": 1}}),
    ],
)
def test_a_configuration_is_merged_into_the_live_object(live: Object, config: Object, merged: Object) -> None:
    assert typed.merge(live, config, SMALL) == merged
    assert typed.merge({}, config, SMALL) == config


@pytest.mark.parametrize(
    ("live", "config", "order"),
    [
        ("ab", "ba", "ba"),
        ("abc", "cx", "abcx"),
        ("axb", "ba", "xba"),
        ("", "ab", "ab"),
        ("ab", "", "ab"),
        ("abcd", "dxb", "acdxb"),
    ],
)
def test_items_come_in_the_order_of_the_configuration(live: str, config: str, order: str) -> None:
    assert typed.merge({"set": list(live)}, {"set": list(config)}, SMALL) == {"set": list(order)}


def test_duplicates_in_a_live_list_stay() -> None:
    live = {"map": [{"name": "x", "value": "1"}, {"name": "x", "value": "2"}]}
    merged = typed.merge(live, {"map": [{"name": "y"}]}, SMALL)
    assert merged == {"map": [*live["map"], {"name": "y"}]}


@pytest.mark.parametrize(
    ("value", "gone", "left"),
    [
        ({"plain": "x", "inner": {"a": "1"}}, {"f:inner": {"f:a": {}}}, {"plain": "x"}),
        ({"set": ["x", "y"]}, {"f:set": {'v:"x"': {}}}, {"set": ["y"]}),
        ({"map": [{"name": "x"}]}, {"f:map": {'k:{"name":"x"}': {}}}, None),
        (
            {"map": [{"name": "x", "value": "1"}]},
            {"f:map": {'k:{"name":"x"}': {"f:value": {}}}},
            {"map": [{"name": "x"}]},
        ),
        ({"plain": "x"}, {"f:other": {}}, {"plain": "x"}),
    ],
)
def test_fields_are_taken_out(value: Object, gone: Object, left: Object | None) -> None:
    assert typed.remove(value, gone, SMALL) == left


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"other": 1}, ".other: field not declared in schema"),
        ({"inner": {"c": "1"}}, ".inner.c: field not declared in schema"),
        ({"map": [{"name": "x"}, {"name": "x"}]}, '.map: duplicate entries for key [name="x"]'),
        ({"set": ["x", "x"]}, '.set: duplicate entries for key [="x"]'),
        ({"map": [{"name": "x", "no": 1}]}, '.map[name="x"].no: field not declared in schema'),
        (
            {"map": [{"value": "x"}]},
            OMITTED,
        ),
        ({"map": ["x"]}, ".map: element 0: associative list with keys may not have non-map elements"),
        ({"set": [{}]}, ".set: element 0: associative list without keys has an element that's a map or list type"),
    ],
)
def test_what_cannot_be_applied(config: Object, problem: str) -> None:
    assert list(typed.problems(config, SMALL)) == [problem]


def test_all_fields_are_accepted_without_a_schema() -> None:
    config: Any = {"a": [{"b": 1}, {"b": 1}], "c": {"d": None}}
    assert list(typed.problems(config, ANYTHING)) == []
    assert list(fields.paths(typed.field_set(config, ANYTHING))) == [".a", ".c", ".c.d"]
