from typing import Any

import pytest

from podwire.apiserver.custom.pruning import prune
from podwire.apiserver.custom.structural import convert

SCHEMA = convert(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer"},
                    "maybe": {"type": "string", "nullable": True},
                    "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
                    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "any": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                        "properties": {"known": {"type": "object", "properties": {"x": {"type": "integer"}}}},
                    },
                    "pod": {
                        "type": "object",
                        "x-kubernetes-embedded-resource": True,
                        "properties": {"spec": {"type": "object"}},
                    },
                },
            }
        },
    }
)


@pytest.mark.parametrize(
    ("spec", "kept", "dropped"),
    [
        ({"size": 1}, {"size": 1}, []),
        ({"size": 1, "typo": 2}, {"size": 1}, ["spec.typo"]),
        ({"list": [{"a": "x", "b": 1}, {"c": 1}]}, {"list": [{"a": "x"}, {}]}, ["spec.list[0].b", "spec.list[1].c"]),
        ({"map": {"any": 1, "key": 2}}, {"map": {"any": 1, "key": 2}}, []),
        ({"any": {"free": {"deep": [1, None]}}}, {"any": {"free": {"deep": [1, None]}}}, []),
        ({"any": {"known": {"x": 1, "y": 2}}}, {"any": {"known": {"x": 1}}}, ["spec.any.known.y"]),
        (
            {"pod": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"x": 1}, "z": 1}},
            {"pod": {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {}}},
            ["spec.pod.spec.x", "spec.pod.z"],
        ),
        ({"size": None, "maybe": None}, {"maybe": None}, []),
    ],
)
def test_what_the_schema_does_not_know_is_taken_out_and_named(
    spec: dict[str, Any], kept: dict[str, Any], dropped: list[str]
) -> None:
    obj, paths = prune(SCHEMA, {"spec": spec})
    assert obj == {"spec": kept}
    assert paths == dropped


def test_the_object_s_own_fields_stay_without_being_declared() -> None:
    own = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a", "labels": {"x": None}}}
    obj, paths = prune(SCHEMA, {**own, "other": 1})
    assert obj == {**own, "metadata": {"name": "a", "labels": {}}}
    assert paths == ["other"]


def test_the_given_object_is_left_alone() -> None:
    given = {"spec": {"typo": 1, "list": [{"b": 1}]}}
    prune(SCHEMA, given)
    assert given == {"spec": {"typo": 1, "list": [{"b": 1}]}}
