"""Sets of fields in the form of managedFields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.apiserver.apply import fields
from podwire.apiserver.apply.fields import Fields, FieldsError

Path = tuple[str, ...]
KEYS = ["f:a", "f:b", 'k:{"name":"x"}', 'v:"x"']
PATHS = st.frozensets(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(tuple), max_size=12)


def tree(paths: frozenset[Path]) -> Fields:
    """The set with exactly these members."""
    result: Fields = {}
    for path in sorted(paths):
        chain: Fields = {}
        for key in reversed(path):
            chain = {key: chain}
        result = fields.union(result, chain)
    return result


def members(found: Fields, prefix: Path = ()) -> set[Path]:
    here = {(*prefix, key) for key, node in found.items() if fields.is_member(node)}
    return here.union(*(members(fields.children(node), (*prefix, key)) for key, node in found.items()))


@given(PATHS, PATHS)
def test_sets_of_fields_are_sets(one: frozenset[Path], other: frozenset[Path]) -> None:
    left, right = tree(one), tree(other)
    assert members(left) == one
    assert members(fields.union(left, right)) == one | other
    assert members(fields.intersection(left, right)) == one & other
    assert members(fields.difference(left, right)) == one - other


@given(PATHS, PATHS)
def test_equal_sets_are_equal_texts(one: frozenset[Path], other: frozenset[Path]) -> None:
    assert str(fields.union(tree(one), tree(other))) == str(fields.union(tree(other), tree(one)))
    assert fields.read(tree(one)) == tree(one)


def test_taking_a_thing_out_leaves_what_is_in_it() -> None:
    assert fields.difference({"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}) == {"f:a": {"f:b": {}}}
    assert fields.difference({"f:a": {".": {}, "f:b": {}}}, {"f:a": {"f:b": {}}}) == {"f:a": {}}


def test_members_are_shown_as_paths_those_of_a_level_first() -> None:
    found = {
        "f:spec": {
            "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}},
            "f:replicas": {},
        },
        "f:metadata": {"f:finalizers": {'v:"a/b"': {}}, "f:labels": {"f:app.io/name": {}}},
        "f:list": {"i:0": {}},
    }
    assert list(fields.paths(found)) == [
        ".list[0]",
        '.metadata.finalizers[="a/b"]',
        ".metadata.labels.app.io/name",
        ".spec.ports",
        ".spec.replicas",
        '.spec.ports[port=80,protocol="TCP"]',
        '.spec.ports[port=80,protocol="TCP"].port',
    ]


def test_keys_with_numbers_are_ordered_by_number() -> None:
    ports = [fields.item_key({"port": port}) for port in (9, 80, 443)]
    assert list(fields.sorted_by_key({key: {} for key in reversed(ports)})) == ports


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({'k:{ "b": 1, "a": "x" }': {}}, {'k:{"a":"x","b":1}': {}}),
        ({"f:a": {".": {}, "v: 7": {}}}, {"f:a": {".": {}, "v:7": {}}}),
        ({"f:b": {}, "f:a:c": {}}, {"f:a:c": {}, "f:b": {}}),
    ],
)
def test_sets_of_clients_are_read_in_one_spelling(sent: Fields, read: Fields) -> None:
    assert str(fields.read(sent)) == str(read)


@pytest.mark.parametrize("sent", ["x", [], {"x:a": {}}, {"k:7": {}}, {"i:x": {}}, {"k:{": {}}, {"f:a": 1}])
def test_what_is_no_set_of_fields(sent: Any) -> None:
    with pytest.raises(FieldsError):
        fields.read(sent)
