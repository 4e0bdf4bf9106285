"""Every served built-in kind in protobuf, with all of its fields."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podwire.apiserver.bodies.protobuf import envelope, messages
from podwire.apiserver.bodies.protobuf.messages import Field, Holds, Shape
from podwire.apiserver.bodies.protobuf.wire import WireError
from podwire.apiserver.kinds import schema
from podwire.apiserver.kinds.builtin import BUILTIN
from tests.apiserver.bodies.protobuf.encoder import body
from tests.apiserver.bodies.protobuf.encoder import envelope as wrapped
from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import DEFINITIONS, WIDGETS, manifest, widget

KINDS = sorted(
    {(one.api_version, one.kind) for one in BUILTIN}
    | {
        (part.api_version, part.kind)
        for one in BUILTIN
        for part in one.subresources.values()
        if not part.kind.endswith("Options")
    }
)
DEEPEST = 12
FORMS = {
    "Time": "0001-02-03T04:05:06Z",
    "MicroTime": "0800-01-02T03:04:05.000006Z",
    "Quantity": "1Gi",
    "IntOrString": "50%",
    "RawExtension": {"x": [1, None]},
    "FieldsV1": {"f:x": {}},
    "JSON": {"x": 1.5},
}
CHOICES: dict[str, Any] = {
    "JSONSchemaPropsOrArray": [{"type": "string"}],
    "JSONSchemaPropsOrBool": False,
    "JSONSchemaPropsOrStringArray": ["x"],
}


def whole(definition: str, level: int = 0) -> dict[str, Any]:
    """An object with every field of its definition, and of those that it holds."""
    found: dict[str, Any] = {}
    for number, field in messages.message(definition).items():
        if not field.name:
            found |= whole(field.message, level)
        elif field.holds is not Holds.MESSAGE or level < DEEPEST:
            found[field.name] = _shaped(field, number, level)
    return found


def _shaped(field: Field, number: int, level: int) -> Any:
    value = _value(field, number, level)
    return {Shape.ONE: value, Shape.LIST: [value, value], Shape.MAP: {"a": value, "b/c": value}}[field.shape]


def _value(field: Field, number: int, level: int) -> Any:
    match field.holds:
        case Holds.TRUTH:
            return True
        case Holds.INTEGER:
            return -number
        case Holds.DOUBLE:
            return number + 0.5
        case Holds.TEXT:
            return f"t{number}"
        case Holds.BYTES:
            return base64.b64encode(bytes([number])).decode()
        case Holds.TEXTS:
            return ["a", "b"]
        case Holds.MESSAGE:
            name = field.message.rpartition(".")[2]
            if name == "JSONSchemaProps":
                return {"type": "object", "maximum": 3, "minimum": -0.5}
            return {**FORMS, **CHOICES}[name] if name in FORMS or name in CHOICES else whole(field.message, level + 1)


@pytest.mark.proves("protobuf-bodies")
@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_a_kind_is_read_whole(api_version: str, kind: str) -> None:
    obj = {"apiVersion": api_version, "kind": kind, **whole(schema.definition_name(api_version, kind))}
    assert envelope.read(body(obj)) == obj


SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def test_a_schema_has_every_field_of_its_message() -> None:
    assert len(whole(SCHEMA)) == 44


@pytest.mark.parametrize(
    "choice",
    [
        {"items": {"type": "string"}},
        {"items": [{"type": "string"}, {"type": "integer"}]},
        {"additionalProperties": True},
        {"additionalProperties": False},
        {"additionalProperties": {"type": "string"}},
        {"dependencies": {"a": ["b"], "c": {"type": "string"}}},
        {"default": 0, "enum": [1, "x", None, {"a": []}], "maximum": 2**40, "multipleOf": 0.25},
    ],
)
def test_the_choices_of_a_schema(choice: dict[str, Any]) -> None:
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"properties": {"x": choice}}},
    }
    obj = {**definition, "spec": {"versions": [version]}}
    read = envelope.read(body(obj))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["x"]
    assert read == choice


async def test_a_definition_in_protobuf_serves_its_kind(talk: Talk) -> None:
    made = await talk.ok("POST", DEFINITIONS, body(manifest()), content_type=envelope.MEDIA_TYPE)
    sent = await talk.ok("GET", f"{DEFINITIONS}/{made['metadata']['name']}")
    assert sent["spec"]["versions"] == (await _as_json(talk))["spec"]["versions"]
    assert (await talk.ok("POST", WIDGETS, widget()))["spec"]["size"] == 3


async def _as_json(talk: Talk) -> Any:
    """The same definition sent as JSON, by a dry run of its replacement."""
    own = f"{DEFINITIONS}/{manifest()['metadata']['name']}"
    version = (await talk.ok("GET", own))["metadata"]["resourceVersion"]
    again = manifest()
    again["metadata"]["resourceVersion"] = version
    return await talk.ok("PUT", f"{own}?dryRun=All", again)


def test_a_kind_without_numbers_is_a_bad_request_and_no_fault() -> None:
    with pytest.raises(WireError, match="send it as JSON"):
        envelope.read(wrapped("apiregistration.k8s.io/v1", "APIService", b""))
