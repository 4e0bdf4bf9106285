from typing import Any

import pytest

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.defaults.extensions import definition as complete
from podwire.apiserver.validation.definition_rules import problems
from tests.apiserver.custom.widgets import Object, manifest, version


def reported(obj: Object, old: Object | None = None) -> list[str]:
    for one in filter(None, (obj, old)):
        complete(one)
    return [str(cause) for cause in problems(Field("", obj), None if old is None else Field("", old))]


def with_schema(schema: Any) -> list[str]:
    prefix = "spec.versions[0].schema.openAPIV3Schema"
    return [text.removeprefix(prefix) for text in reported(manifest(version(schema={"openAPIV3Schema": schema})))]


def with_field(**keywords: Any) -> list[str]:
    """What is reported of one field's schema."""
    texts = with_schema({"type": "object", "properties": {"f": keywords}})
    return [text.removeprefix(".properties[f]") for text in texts]


def test_a_right_definition_passes() -> None:
    assert reported(manifest()) == []
    assert reported(manifest(version("v1beta1", storage=False), version("v1"))) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group": "other.com"}, 'metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."'),
        ({"scope": "World"}, 'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'),
        ({"versions": []}, "spec.versions: Invalid value: []: must have exactly one version marked as storage version"),
        ({"versions": [version(), version()]}, "must contain unique version names"),
        ({"conversion": {"strategy": "Webhook"}}, 'Unsupported value: "Webhook": supported values: "None"'),
        ({"names": {"plural": "widgets"}}, "spec.names.kind: Required value"),
        ({"names": {"plural": "widgets", "kind": "A", "listKind": "A"}}, "kind and listKind may not be the same"),
        ({"versions": [version(schema={})]}, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are"),
    ],
)
def test_a_wrong_definition_is_reported_with_its_field(change: dict[str, Any], message: str) -> None:
    assert any(message in text for text in reported(manifest(**change))), reported(manifest(**change))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"additionalPrinterColumns": [{"name": "A", "type": "text", "jsonPath": ".a"}]},
            "Columns[0].type: Unsupported",
        ),
        ({"additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".a["}]}, "illegal JSONPath"),
        ({"selectableFields": [{"jsonPath": ".spec.list[0]"}]}, "selectableFields[0].jsonPath: Invalid value"),
        (
            {"subresources": {"scale": {"specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"}}},
            "should be a json path under .spec",
        ),
    ],
)
def test_paths_of_a_version_must_lead_somewhere(parts: dict[str, Any], message: str) -> None:
    assert any(message in text for text in reported(manifest(version(**parts))))


def test_protected_groups_need_an_approval() -> None:
    obj = manifest(group="example.k8s.io")
    obj["metadata"]["name"] = "widgets.example.k8s.io"
    assert "protected groups must have approval annotation" in reported(obj)[0]
    obj["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://example.com/1"}
    assert reported(obj) == []


def test_what_stored_objects_rely_on_stays() -> None:
    old = manifest()
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}
    assert reported(manifest(scope="Cluster"), old) == ['spec.scope: Invalid value: "Cluster": field is immutable']
    assert reported(manifest(scope="Cluster"), manifest()) == []
    without = manifest(version("v2"))
    without["status"] = old["status"]
    assert "missing from spec.versions; v1 was previously a storage version" in reported(without, old)[0]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string"}, '.type: Invalid value: "string": must be object at the root'),
        ({}, ".type: Required value: must not be empty at the root"),
        ({"type": "object", "properties": {"f": 5}}, "cannot be read as a schema"),
        ([], ": Invalid value: []: must be an object"),
    ],
)
def test_the_root_of_a_schema_is_an_object(schema: Any, message: str) -> None:
    assert any(message in text for text in with_schema(schema))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, ".type: Required value: must not be empty for specified object fields"),
        ({"type": "text"}, '.type: Unsupported value: "text"'),
        ({"type": "array"}, ".items: Required value: must be specified"),
        ({"type": "string", "$ref": "#/x"}, ".$ref: Forbidden: $ref is not supported"),
        ({"type": "string", "pattern": "("}, ".pattern: Invalid value"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, ".uniqueItems: Forbidden"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            "additionalProperties and properties are mutual exclusive",
        ),
        ({"type": "integer", "default": "x"}, '.default: Invalid value: "x"'),
        ({"type": "string", "x-kubernetes-int-or-string": True}, "must be empty if x-kubernetes-int-or-string is true"),
        (
            {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
            ".x-kubernetes-list-map-keys: Required value",
        ),
        (
            {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"},
            ".x-kubernetes-list-type: Invalid value",
        ),
        (
            {"type": "object", "anyOf": [{"type": "object"}]},
            ".anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        ({"type": "object", "anyOf": [{"properties": {"a": {}}}]}, ".properties[a]: Required value: because it is"),
    ],
)
def test_a_schema_that_is_not_structural_is_refused(keywords: dict[str, Any], message: str) -> None:
    assert any(message in text for text in with_field(**keywords)), with_field(**keywords)


@pytest.mark.parametrize(
    "keywords",
    [
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        {"x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"required": ["a"]}]},
        {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set", "default": ["a"]},
    ],
)
def test_a_structural_schema_passes(keywords: dict[str, Any]) -> None:
    assert with_field(**keywords) == []
