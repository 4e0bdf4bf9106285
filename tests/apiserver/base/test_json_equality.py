from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.apiserver.base.json_equality import json_equal


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1.0}),
        ([], []),
        (None, None),
        ("1", "1"),
    ],
)
def test_equal(left: Any, right: Any) -> None:
    assert json_equal(left, right)
    assert json_equal(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True),
        (0, False),
        (1.0, True),
        ({"a": {"b": 1}}, {"a": {"b": True}}),
        ([1, 2], [True, 2]),
        ({"a": 1, "b": 0}, {"b": False, "a": 1}),
        (1, "1"),
        (None, False),
        ([], {}),
    ],
)
def test_not_equal(left: Any, right: Any) -> None:
    assert not json_equal(left, right)
    assert not json_equal(right, left)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", 0.0, 1.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@given(values, values)
def test_no_boolean_equals_a_number(left: Any, right: Any) -> None:
    assert json_equal(left, right) == (_typed(left) == _typed(right))


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return (isinstance(value, bool), value)
