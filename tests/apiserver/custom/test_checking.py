from typing import Any

import pytest

from podwire.apiserver.custom import keyed_lists
from podwire.apiserver.custom.checking import problems
from podwire.apiserver.custom.structural import convert

BOUNDS = {"type": "integer", "minimum": 1, "maximum": 5}
OPEN = {"type": "integer", "minimum": 1, "exclusiveMinimum": True}
PORT = {"x-kubernetes-int-or-string": True}
EITHER = {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
SOME = {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
NOT = {"type": "object", "not": {"required": ["a"]}}
INT_OR_STRING = {**PORT, "anyOf": [{"type": "integer"}, {"type": "string"}], "maxLength": 3}


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "string"}, 1, 'v: Invalid value: "integer": v in body must be of type string: "integer"'),
        ({"type": "integer"}, "1", 'v: Invalid value: "string": v in body must be of type integer: "string"'),
        ({"type": "integer"}, True, 'v: Invalid value: "boolean": v in body must be of type integer: "boolean"'),
        ({"type": "integer"}, 1.5, 'v: Invalid value: "number": v in body must be of type integer: "number"'),
        ({"type": "object"}, [], 'v: Invalid value: "array": v in body must be of type object: "array"'),
        ({"type": "string"}, None, 'v: Invalid value: "null": v in body must be of type string: "null"'),
        (PORT, True, 'v: Invalid value: "boolean": v in body must be of type integer,string: "boolean"'),
        (BOUNDS, 0, "v: Invalid value: 0: v in body should be greater than or equal to 1"),
        (BOUNDS, 6, "v: Invalid value: 6: v in body should be less than or equal to 5"),
        (OPEN, 1, "v: Invalid value: 1: v in body should be greater than 1"),
        ({"type": "number", "multipleOf": 0.5}, 0.7, "v: Invalid value: 0.7: v in body should be a multiple of 0.5"),
        ({"type": "string", "maxLength": 2}, "abc", "v: Too long: may not be more than 2 bytes"),
        ({"type": "string", "minLength": 2}, "a", 'v: Invalid value: "a": v in body should be at least 2 chars long'),
        ({"type": "string", "pattern": "^a+$"}, "b", "v: Invalid value: \"b\": v in body should match '^a+$'"),
        ({"type": "string", "enum": ["a", "b"]}, "c", 'v: Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "string", "format": "ipv4"}, "x", 'v: Invalid value: "x": v in body must be of type ipv4: "x"'),
        ({"type": "array", "maxItems": 1, "items": {}}, [1, 2], "v: Too many: 2: must have at most 1 items"),
        ({"type": "array", "minItems": 1}, [], "v: Invalid value: []: v in body should have at least 1 items"),
        (
            {"type": "object", "minProperties": 1},
            {},
            "v: Invalid value: {}: v in body should have at least 1 properties",
        ),
        ({"type": "object", "required": ["a"]}, {}, "v.a: Required value"),
        (EITHER, {}, 'v: Invalid value: "": "v" must validate one and only one schema (oneOf). Found none valid'),
        (
            EITHER,
            {"a": 1, "b": 1},
            'v: Invalid value: "": "v" must validate one and only one schema (oneOf). Found 2 valid alternatives',
        ),
        (SOME, {}, 'v: Invalid value: "": "v" must validate at least one schema (anyOf)'),
        (NOT, {"a": 1}, 'v: Invalid value: "": "v" must not validate the schema (not)'),
        (INT_OR_STRING, "long", "v: Too long: may not be more than 3 bytes"),
    ],
)
def test_a_wrong_value_is_reported_in_kubernetes_words(schema: dict[str, Any], value: Any, message: str) -> None:
    assert [str(cause) for cause in problems(convert(schema), value, "v")] == [message]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "nullable": True}, None),
        ({"type": "integer"}, 2.0),
        ({"type": "number"}, 2),
        (BOUNDS, 5),
        (OPEN, 2),
        (PORT, 80),
        (PORT, "http"),
        (INT_OR_STRING, 8080),
        ({}, {"anything": [1]}),
        ({"type": "string", "pattern": "b"}, "abc"),
        ({"type": "string", "format": "unknown-to-all"}, "x"),
        (EITHER, {"a": 1}),
        (SOME, {"a": 1, "b": 2}),
        (NOT, {"b": 1}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"a": "b"}),
    ],
)
def test_a_right_value_passes(schema: dict[str, Any], value: Any) -> None:
    assert list(problems(convert(schema), value, "v")) == []


def test_paths_lead_through_lists_and_maps() -> None:
    inner = {"type": "object", "additionalProperties": {"type": "integer"}}
    schema = {"type": "object", "properties": {"rules": {"type": "array", "items": inner}}}
    assert [cause.field for cause in problems(convert(schema), {"rules": [{}, {"a": "x"}]})] == ["rules[1].a"]


ITEM = {"type": "object", "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}
BY_NAME = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": ITEM}
SET = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("schema", "value", "messages"),
    [
        (BY_NAME, [{"name": "a", "port": 1}, {"name": "b", "port": 1}], []),
        (BY_NAME, [{"name": "a", "port": 1}, {"name": "a", "port": 2}], ['v[1]: Duplicate value: {"name":"a"}']),
        (SET, ["a", "b"], []),
        (SET, ["a", "b", "a"], ['v[2]: Duplicate value: "a"']),
        ({"type": "array", "items": {"type": "string"}}, ["a", "a"], []),
    ],
)
def test_keyed_lists_have_no_item_twice(schema: dict[str, Any], value: Any, messages: list[str]) -> None:
    assert [str(cause) for cause in keyed_lists.problems(convert(schema), value, "v")] == messages


def test_an_embedded_object_has_a_version_and_a_kind() -> None:
    schema = convert({"type": "object", "x-kubernetes-embedded-resource": True})
    right = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}
    assert list(keyed_lists.problems(schema, right, "v")) == []
    wrong = {"kind": "Pod", "metadata": {"labels": {"a": "not a label"}}}
    assert [cause.field for cause in keyed_lists.problems(schema, wrong, "v")] == ["v.apiVersion", "v.metadata.labels"]
