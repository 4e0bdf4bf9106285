"""The definitions of custom kinds in OpenAPI v2, as Kubernetes' conformance tests read them."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.requests import Response
from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import DEFINITIONS, MERGE, define, version

Object = dict[str, Any]

PATH = "/openapi/v2"
NAME = "com.example.v1.Widget"
ADDED = ("apiVersion", "kind", "metadata")
PRESERVE = "x-kubernetes-preserve-unknown-fields"


async def published(talk: Talk, schema: Object) -> Object:
    """The definition of a kind with this schema."""
    await define(talk, version(schema={"openAPIV3Schema": schema}))
    definition: Object = (await talk.ok("GET", PATH))["definitions"][NAME]
    return definition


BAR = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "description": "Name."}, "mood": {"type": "string", "enum": ["Great"]}},
}
FOO = {
    "type": "object",
    "description": "A thing.",
    "properties": {"spec": {"type": "object", "properties": {"bars": {"type": "array", "items": BAR}}}},
}


@pytest.mark.proves("openapi-v2-custom")
async def test_a_schema_is_published_as_it_is_with_the_fields_of_every_object(talk: Talk) -> None:
    found = await published(talk, FOO)
    assert found["x-kubernetes-group-version-kind"] == [{"group": "example.com", "version": "v1", "kind": "Widget"}]
    assert found["properties"]["metadata"]["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    own = {name: value for name, value in found["properties"].items() if name not in ADDED}
    assert {"type": found["type"], "description": found["description"], "properties": own} == FOO


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        inner = [references(child) for child in value.values()]
        own = value.get("$ref")
        return set().union(*inner, {own} if isinstance(own, str) else set())
    return set().union(*map(references, value)) if isinstance(value, list) else set()


async def test_each_reference_leads_to_a_definition(talk: Talk) -> None:
    assert NAME not in (await talk.ok("GET", PATH))["definitions"]
    await define(talk)
    definitions = (await talk.ok("GET", PATH))["definitions"]
    found = references(definitions)
    assert f"#/definitions/{NAME}" in found
    assert found <= {f"#/definitions/{name}" for name in definitions}
    assert "allOf" not in str(definitions)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"type": "object", PRESERVE: True, "properties": {"a": {"type": "string"}}}, {PRESERVE: True}),
        ({"type": "string", "nullable": True, "maxLength": 3}, {"maxLength": 3}),
        ({"type": "array", "nullable": True, "items": {"type": "string"}}, {}),
        ({"x-kubernetes-int-or-string": True}, {"x-kubernetes-int-or-string": True}),
        ({"type": "integer", "anyOf": [{"minimum": 1}], "not": {"maximum": 9}}, {"type": "integer"}),
        (
            {
                "type": "object",
                "required": ["a", "b"],
                "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "string"}},
            },
            {"type": "object", "required": ["b"], "properties": {"a": {}, "b": {"type": "string"}}},
        ),
    ],
)
async def test_what_version_2_cannot_express_is_left_out(talk: Talk, declared: Object, expected: Object) -> None:
    found = await published(talk, {"type": "object", "properties": {"spec": declared}})
    assert found["properties"]["spec"] == expected


async def test_a_kind_that_keeps_unknown_fields_declares_none(talk: Talk) -> None:
    found = await published(talk, {**FOO, PRESERVE: True})
    assert found.keys() == {"type", "x-kubernetes-group-version-kind"}


@pytest.mark.proves("openapi-v2-custom")
async def test_definitions_follow_the_served_versions(talk: Talk) -> None:
    await define(talk, version("v1"), version("v2", storage=False))
    answer = await talk.answer("GET", PATH)
    assert isinstance(answer, Response)
    same = await talk.answer("GET", PATH, if_none_match=answer.headers["Etag"])
    assert isinstance(same, Response)
    assert (same.code, same.body) == (304, b"")
    unserved = {"spec": {"versions": [version("v1"), version("v2", storage=False, served=False)]}}
    await talk.ok("PATCH", f"{DEFINITIONS}/widgets.example.com", unserved, content_type=MERGE)
    changed = await talk.answer("GET", PATH, if_none_match=answer.headers["Etag"])
    assert isinstance(changed, Response)
    assert changed.code == 200
    definitions = (await talk.ok("GET", PATH))["definitions"]
    assert "com.example.v1.Widget" in definitions
    assert "com.example.v2.Widget" not in definitions
