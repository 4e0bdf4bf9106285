"""A kind of a user as one version of its definition serves it.

Everything that costs room or time (the schema, the texts for `kubectl explain`) is made when it is first needed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.encoding import decode, encode
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.custom import (
    checking,
    defaulting,
    keyed_lists,
    printer_columns,
    pruning,
    published,
    rules,
    structural,
)
from podwire.apiserver.custom.simple_path import dotted

if TYPE_CHECKING:
    from podwire.apiserver.custom.definition import Definition, Version
    from podwire.apiserver.custom.structural import Structural
    from podwire.apiserver.kinds.custom_resource import ScalePaths, StoredObject
    from podwire.apiserver.kinds.layout import Layout
    from podwire.apiserver.kinds.schema import Schema

Object = dict[str, Any]

NOT_CHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)


class CustomKind:
    """One served version of a definition. Objects are stored in the storage version."""

    def __init__(self, definition: Definition, version: Version, fingerprint: str, since: int) -> None:
        """`fingerprint` changes with the definition's spec; objects stored after `since` were written under it."""
        self.fingerprint = fingerprint
        self._definition = definition
        self._version = version
        self._since = since

    def __repr__(self) -> str:
        return f"CustomKind({self._definition.metadata.name}, {self._version.name}, {self.fingerprint})"

    @property
    def api_version(self) -> str:
        """The version that is served here, with its group."""
        return f"{self._definition.spec.group}/{self._version.name}"

    @property
    def stored_api_version(self) -> str:
        """The version in which objects are stored, with its group."""
        return f"{self._definition.spec.group}/{self._definition.storage_version}"

    @property
    def scale(self) -> ScalePaths | None:
        """The paths of the parts of a Scale, where the version has the subresource."""
        return self._version.subresources.scale

    @property
    def warning(self) -> str:
        """The warning of a deprecated version; empty for others."""
        if not self._version.deprecated:
            return ""
        return (
            self._version.deprecation_warning or f"{self.api_version} {self._definition.spec.names.kind} is deprecated"
        )

    @functools.cached_property
    def selectable_fields(self) -> tuple[str, ...]:
        """Paths that field selectors may name, such as `spec.color`."""
        return tuple(dotted(field.json_path) for field in self._version.selectable_fields)

    @functools.cached_property
    def layout(self) -> Layout:
        """The columns of its tables."""
        return printer_columns.layout(self._version.additional_printer_columns)

    @functools.cached_property
    def schema(self) -> Schema:
        """Its fields in the form of the built-in kinds' schemas, for server-side apply."""
        return published.fields(self._structural)

    def published(self) -> Object:
        """The schema with its texts, as OpenAPI v3 publishes it."""
        return published.openapi(decode(bytes(self._version.schema.schema)))

    def pruned(self, obj: Object) -> tuple[Object, list[str]]:
        """An object without what its schema does not know, and the paths of what was taken out."""
        return pruning.prune(self._structural, obj)

    def complete(self, obj: Object) -> None:
        """Fill in the schema's defaults, in place."""
        defaulting.complete(self._structural, obj)

    def problems(self, obj: Object, old: Object | None) -> list[Cause]:
        """Everything that is wrong with an object, and with how it changed from `old`."""
        found = [*checking.problems(self._structural, obj, root=True), *keyed_lists.problems(self._structural, obj)]
        if not self._has_rules:
            return found
        if any(cause.reason in checking.BLOCKING for cause in found):
            return [*found, Cause("<nil>", "FieldValueInvalid", f'Invalid value: "null": {NOT_CHECKED}')]
        return [*found, *rules.problems(self._structural, obj, old, transitions=self._has_transitions)]

    def to_storage(self, obj: Object) -> Object:
        """The form that is stored: conversion strategy None changes the apiVersion only."""
        return {**obj, "apiVersion": self.stored_api_version}

    def from_storage(self, obj: Object) -> Object:
        """The form that is served: with the fields and the defaults of this version as it is defined now."""
        shown, _ = self.pruned({**obj, "apiVersion": self.api_version})
        self.complete(shown)
        return shown

    def body(self, stored: StoredObject) -> bytes:
        """The served form of a stored object, encoded; the stored bytes where both are the same."""
        if self._version.storage and stored.version > self._since and self._alike:
            return stored.body
        return encode(self.from_storage(stored.object()))

    @functools.cached_property
    def _alike(self) -> bool:
        """Whether all versions have the same schema, so that it does not matter through which one an object came."""
        return len({bytes(version.schema.schema) for version in self._definition.spec.versions}) == 1

    @functools.cached_property
    def _structural(self) -> Structural:
        return structural.parse(self._version.schema.schema)

    @functools.cached_property
    def _has_rules(self) -> bool:
        return b"x-kubernetes-validations" in bytes(self._version.schema.schema)

    @functools.cached_property
    def _has_transitions(self) -> bool:
        return rules.OLD.encode() in bytes(self._version.schema.schema)
