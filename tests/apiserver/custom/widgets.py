"""A small definition, and objects of its kind, for the tests of kinds of users."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from podwire.apiserver.custom.definition import Definition
from tests.apiserver.conftest import Talk

Object = dict[str, Any]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"

SPEC: Object = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "note": {"type": "string", "nullable": True, "maxLength": 20},
        "replicas": {"type": "integer", "default": 1},
        "port": {"x-kubernetes-int-or-string": True},
        "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z]+$"},
                    "weight": {"type": "integer", "default": 5},
                },
            },
        },
    },
}
STATUS: Object = {
    "type": "object",
    "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}, "phase": {"type": "string"}},
}


def schema(**properties: Any) -> Object:
    """The schema of a version."""
    return {"type": "object", "description": "A thing.", "properties": {"spec": SPEC, "status": STATUS, **properties}}


def version(name: str = "v1", *, storage: bool = True, served: bool = True, **parts: Any) -> Object:
    """A version with both subresources."""
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    return {
        "name": name,
        "served": served,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema()},
        "subresources": {"status": {}, "scale": {**scale, "labelSelectorPath": ".status.selector"}},
        **parts,
    }


def manifest(*versions: Object, plural: str = "widgets", kind: str = "Widget", **spec: Any) -> Object:
    """A definition as a user writes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": [plural[:2]], "categories": ["all"]},
            "versions": list(versions) or [version()],
            **spec,
        },
    }


def definition(*versions: Object) -> Definition:
    """A definition as it is stored."""
    whole = manifest(*versions)
    names = {**whole["spec"]["names"], "singular": "widget", "listKind": "WidgetList"}
    stored = {**whole, "spec": {**whole["spec"], "names": names}}
    return msgspec.json.decode(json.dumps(stored), type=Definition)


def widget(name: str = "a", api_version: str = "example.com/v1", **spec: Any) -> Object:
    """An object of the kind."""
    return {
        "apiVersion": api_version,
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 3, **spec},
    }


async def define(talk: Talk, *versions: Object, **spec: Any) -> Object:
    """Store a definition; the kind is served afterwards."""
    made: Object = await talk.ok("POST", DEFINITIONS, manifest(*versions, **spec))
    return made
