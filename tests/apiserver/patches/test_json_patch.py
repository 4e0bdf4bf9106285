from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.apiserver.patches import json_patch
from podwire.apiserver.patches.json_patch import PatchError, PatchFailed, TooManyOperations

DOCUMENT = {"a": {"b": [1, 2, 3]}, "x/y": 1, "m~n": 2}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/a/c", "value": 1}], {**DOCUMENT, "a": {"b": [1, 2, 3], "c": 1}}),
        ([{"op": "add", "path": "/a/b/1", "value": 9}], {**DOCUMENT, "a": {"b": [1, 9, 2, 3]}}),
        ([{"op": "add", "path": "/a/b/-", "value": 9}], {**DOCUMENT, "a": {"b": [1, 2, 3, 9]}}),
        ([{"op": "add", "path": "", "value": {"n": 1}}], {"n": 1}),
        ([{"op": "remove", "path": "/a/b/0"}], {**DOCUMENT, "a": {"b": [2, 3]}}),
        ([{"op": "replace", "path": "/x~1y", "value": 5}], {**DOCUMENT, "x/y": 5}),
        ([{"op": "replace", "path": "/m~0n", "value": 5}], {**DOCUMENT, "m~n": 5}),
        ([{"op": "move", "from": "/x~1y", "path": "/a/z"}], {"a": {"b": [1, 2, 3], "z": 1}, "m~n": 2}),
        ([{"op": "copy", "from": "/a/b", "path": "/c"}], {**DOCUMENT, "c": [1, 2, 3]}),
        ([{"op": "test", "path": "/a/b", "value": [1, 2.0, 3]}], DOCUMENT),
    ],
)
def test_operations(operations: list[Any], expected: Any) -> None:
    assert json_patch.apply(DOCUMENT, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/x~1y", "value": 2},
        {"op": "test", "path": "/x~1y", "value": True},
        {"op": "test", "path": "/nothing", "value": None},
        {"op": "remove", "path": "/nothing"},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "add", "path": "/a/b/4", "value": 1},
        {"op": "add", "path": "/a/b/01", "value": 1},
        {"op": "add", "path": "/a/b/-1", "value": 1},
        {"op": "add", "path": "/x~1y/deep", "value": 1},
        {"op": "move", "from": "/a", "path": "/a/b/0"},
        {"op": "remove", "path": ""},
    ],
)
def test_a_patch_that_does_not_fit_fails(operation: Any) -> None:
    with pytest.raises(PatchFailed):
        json_patch.apply(DOCUMENT, [operation])


@pytest.mark.parametrize(
    "operations",
    [{}, [1], [{"op": "jump", "path": "/a"}], [{"op": "add", "path": "a", "value": 1}], [{"op": "add", "path": "/a"}]],
)
def test_what_is_no_patch_is_refused(operations: Any) -> None:
    with pytest.raises(PatchError):
        json_patch.apply(DOCUMENT, operations)


@pytest.mark.proves("json-patch")
def test_the_number_of_operations_is_limited() -> None:
    test = {"op": "test", "path": "/x~1y", "value": 1}
    assert json_patch.apply(DOCUMENT, [test] * 10_000) == DOCUMENT
    with pytest.raises(TooManyOperations):
        json_patch.apply(DOCUMENT, [test] * 10_001)


def test_copies_have_a_size_limit() -> None:
    doubling = [{"op": "copy", "from": "/list", "path": "/list/-"}] * 100
    with pytest.raises(TooManyOperations):
        json_patch.apply({"list": ["x" * 1000]}, doubling)


def test_the_document_given_stays_as_it_is() -> None:
    document = {"a": {"b": [1]}}
    json_patch.apply(document, [{"op": "add", "path": "/a/b/-", "value": 2}])
    assert document == {"a": {"b": [1]}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(document=JSON, value=JSON)
def test_what_was_added_passes_its_test_and_can_be_removed_again(document: Any, value: Any) -> None:
    whole = {"kept": document}
    added = [{"op": "add", "path": "/new", "value": value}, {"op": "test", "path": "/new", "value": value}]
    assert json_patch.apply(whole, [*added, {"op": "remove", "path": "/new"}]) == whole
