"""The behaviour that a CustomResourceDefinition gives one served version of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.kinds.layout import Layout
    from podwire.apiserver.kinds.schema import Schema

Object = dict[str, Any]


class ScalePaths(msgspec.Struct, frozen=True, rename="camel"):
    """Paths of the parts of a Scale in an object, as simple paths: `.spec.replicas`."""

    spec_replicas_path: str = ""
    status_replicas_path: str = ""
    label_selector_path: str = ""


class StoredObject(Protocol):
    """One object as the store has it."""

    @property
    def body(self) -> bytes:
        """Its JSON in the storage version."""

    @property
    def version(self) -> int:
        """The revision that wrote it."""

    def object(self) -> Object:
        """Return it decoded."""


class CustomResource(Protocol):
    """What a Resource needs of a kind that users defined. `custom.kind.CustomKind` implements it."""

    @property
    def scale(self) -> ScalePaths | None:
        """Paths of the scale subresource, where the version has it."""

    @property
    def warning(self) -> str:
        """Text of the Warning header of a deprecated version; empty for others."""

    @property
    def selectable_fields(self) -> tuple[str, ...]:
        """Paths that field selectors may name."""

    @property
    def layout(self) -> Layout:
        """Columns of its tables."""

    @property
    def schema(self) -> Schema:
        """Its fields, for server-side apply."""

    def published(self) -> Object:
        """Return its schema as OpenAPI v3 publishes it."""

    def pruned(self, obj: Object) -> tuple[Object, list[str]]:
        """Return the object without unknown fields, and their paths."""

    def complete(self, obj: Object) -> None:
        """Fill in the schema's defaults, in place."""

    def problems(self, obj: Object, old: Object | None) -> list[Cause]:
        """Return every violation of the schema and its rules."""

    def to_storage(self, obj: Object) -> Object:
        """Convert to the storage version."""

    def from_storage(self, obj: Object) -> Object:
        """Convert from the storage version, pruned and completed."""

    def body(self, stored: StoredObject) -> bytes:
        """Return the served form of a stored object, encoded."""
