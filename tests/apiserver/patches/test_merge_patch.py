from typing import Any

import pytest

from podwire.apiserver.patches import merge_patch


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_the_rfc(target: Any, patch: Any, expected: Any) -> None:
    assert merge_patch.apply(target, patch) == expected


@pytest.mark.proves("numbers-keep-their-type")
def test_numbers_keep_their_type() -> None:
    merged = merge_patch.apply({"spec": {"replicas": 1}}, {"spec": {"replicas": 3}})
    assert type(merged["spec"]["replicas"]) is int


def test_the_target_stays_as_it_is() -> None:
    target = {"a": {"b": 1}}
    merge_patch.apply(target, {"a": {"b": 2}})
    assert target == {"a": {"b": 1}}
