"""Structural schemas of the versions of a definition.

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/structural.go`; kubernetes.io "Extend the Kubernetes API
with CustomResourceDefinitions", "Specifying a structural schema".
"""

from __future__ import annotations

from typing import Any

import msgspec

META_FIELDS = ("apiVersion", "kind", "metadata")
"""Fields of the object itself and of embedded ones, which are there whether or not the schema names them."""


class Rule(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One of `x-kubernetes-validations`."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool = False


class Structural(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The schema of one JSON value, without its descriptions.

    Those in `all_of`, `any_of`, `one_of` and `negated` only restrict: they add no fields and no defaults.
    """

    type: str = ""
    format: str = ""
    nullable: bool = False
    properties: dict[str, Structural] = {}
    additional: Structural | bool | None = msgspec.field(default=None, name="additionalProperties")
    items: Structural | None = None
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    default: Any = msgspec.UNSET
    minimum: int | float | None = None
    maximum: int | float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    multiple_of: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str = ""
    min_items: int | None = None
    max_items: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None
    all_of: tuple[Structural, ...] = ()
    any_of: tuple[Structural, ...] = ()
    one_of: tuple[Structural, ...] = ()
    negated: Structural | None = msgspec.field(default=None, name="not")
    preserve: bool = msgspec.field(default=False, name="x-kubernetes-preserve-unknown-fields")
    embedded: bool = msgspec.field(default=False, name="x-kubernetes-embedded-resource")
    int_or_string: bool = msgspec.field(default=False, name="x-kubernetes-int-or-string")
    list_type: str = msgspec.field(default="", name="x-kubernetes-list-type")
    list_map_keys: tuple[str, ...] = msgspec.field(default=(), name="x-kubernetes-list-map-keys")
    map_type: str = msgspec.field(default="", name="x-kubernetes-map-type")
    rules: tuple[Rule, ...] = msgspec.field(default=(), name="x-kubernetes-validations")

    def child(self, name: str) -> Structural | None:
        """The schema of a field or key; None where it has none."""
        found = self.properties.get(name)
        if found is None and isinstance(self.additional, Structural):
            return self.additional
        return found


def parse(text: bytes | msgspec.Raw) -> Structural:
    """The schema of a JSON text; raises msgspec.ValidationError where a keyword has a value of the wrong kind."""
    return msgspec.json.decode(text, type=Structural)


def convert(schema: Any) -> Structural:
    """The schema of a JSON value; raises msgspec.ValidationError where a keyword has a value of the wrong kind."""
    return msgspec.convert(schema, Structural)


def known_by_nature(schema: Structural, name: str, *, root: bool) -> bool:
    """Whether a field belongs to every object, where this schema is of an object of the API."""
    return (root or schema.embedded) and name in META_FIELDS
