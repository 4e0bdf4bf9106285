from typing import Any

import pytest

from podwire.apiserver.custom.defaulting import complete
from podwire.apiserver.custom.structural import convert

SCHEMA = convert(
    {
        "type": "object",
        "properties": {
            "color": {"type": "string", "default": "red"},
            "maybe": {"type": "string", "nullable": True, "default": "x"},
            "deep": {"type": "object", "default": {}, "properties": {"n": {"type": "integer", "default": 1}}},
            "list": {"type": "array", "items": {"type": "object", "properties": {"w": {"default": 5}}}},
            "map": {"type": "object", "additionalProperties": {"properties": {"w": {"default": 7}}}},
        },
    }
)
ALL = {"color": "red", "maybe": "x", "deep": {"n": 1}}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, ALL),
        ({"color": "blue"}, {**ALL, "color": "blue"}),
        ({"color": ""}, {**ALL, "color": ""}),
        ({"color": None, "maybe": None}, {**ALL, "maybe": None}),
        ({"deep": {}}, ALL),
        ({"list": [{}, {"w": 1}]}, {**ALL, "list": [{"w": 5}, {"w": 1}]}),
        ({"map": {"a": {}}}, {**ALL, "map": {"a": {"w": 7}}}),
    ],
)
def test_absent_fields_get_their_defaults(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    complete(SCHEMA, given)
    assert given == wanted


def test_a_default_is_copied_for_each_object() -> None:
    first: dict[str, Any] = {}
    complete(SCHEMA, first)
    first["deep"]["n"] = 99
    second: dict[str, Any] = {}
    complete(SCHEMA, second)
    assert second["deep"] == {"n": 1}
