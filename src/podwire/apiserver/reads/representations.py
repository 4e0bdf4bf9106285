"""How objects look in an answer: plain, metadata alone, or rows of a table; single, in lists and in watch events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec.structs import replace

from podwire.apiserver.base import status
from podwire.apiserver.base.encoding import decode, encode
from podwire.apiserver.kinds import conversion
from podwire.apiserver.reads import tables
from podwire.apiserver.reads.negotiation import Form

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.storage.revisions import Stored

Object = dict[str, Any]

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a WatchList (KEP-3157)."""

METADATA_VERSION = "meta.k8s.io/v1"

_META_V1 = b'"apiVersion":"meta.k8s.io/v1"'
_COLUMNS = b'"columnDefinitions":'
_NO_COLUMNS = _COLUMNS + b"null"


class View(Protocol):
    """One way to show the objects of a resource. Views of equal `name` show the same bytes."""

    @property
    def name(self) -> str:
        """Identifies the view: views of one name encode the same bytes."""
        ...

    def one(self, stored: Stored) -> bytes:
        """One object."""
        ...

    def many(self, items: Sequence[Stored], metadata: Object) -> bytes:
        """A list with its metadata."""
        ...

    def bookmark(self, metadata: Object) -> bytes:
        """The object of a BOOKMARK event: nothing but metadata."""
        ...

    def opening(self, line: bytes) -> bytes:
        """The first line of a watch stream, which may describe the columns of all that follow."""
        ...


def view(resource: Resource, form: Form, include_object: str, *, streamed: bool = False) -> View:
    """The view of a request, `streamed` in a watch; raises StatusError 400 for an unknown includeObject."""
    if form is Form.PLAIN:
        return Plain(resource)
    if form is Form.METADATA:
        return MetadataOnly(resource)
    include = include_object or "Metadata"
    if include not in {"Metadata", "Object", "None"}:
        raise status.bad_request(f"includeObject is None, Metadata or Object, not {include_object!r}")
    return Rows(resource, include, streamed)


@dataclass(frozen=True, slots=True)
class Plain:
    """Objects as they are stored. A list is joined from stored bytes: nothing is encoded again."""

    resource: Resource

    @property
    def name(self) -> str:
        """One for each group-version: kinds that share a storage differ by it."""
        return f"plain {self.resource.api_version}"

    def one(self, stored: Stored) -> bytes:
        """The stored bytes, where they are in the form that the resource serves."""
        if self.resource.custom is not None:
            return self.resource.custom.body(stored)
        if not conversion.is_converted(self.resource):
            return stored.body
        return encode(conversion.from_storage(self.resource, stored.object()))

    def many(self, items: Sequence[Stored], metadata: Object) -> bytes:
        """The list object of the kind."""
        head = {"kind": self.resource.list_kind, "apiVersion": self.resource.api_version, "metadata": metadata}
        return _list(head, [self.one(item) for item in items])

    def bookmark(self, metadata: Object) -> bytes:
        """An object of the kind with nothing in it."""
        return encode({"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata})

    def opening(self, line: bytes) -> bytes:
        """The same: no line has more than its object."""
        return line


class MetadataOnly(msgspec.Struct, frozen=True):
    """PartialObjectMetadata, for metadata informers and garbage collectors."""

    resource: Resource

    @property
    def name(self) -> str:
        """The same for all resources: the form does not depend on the kind."""
        return "metadata"

    def one(self, stored: Stored) -> bytes:
        """The object's metadata."""
        return self.bookmark(stored.object()["metadata"])

    def many(self, items: Sequence[Stored], metadata: Object) -> bytes:
        """A PartialObjectMetadataList."""
        head = {"kind": "PartialObjectMetadataList", "apiVersion": METADATA_VERSION, "metadata": metadata}
        return _list(head, [self.one(item) for item in items])

    def bookmark(self, metadata: Object) -> bytes:
        """PartialObjectMetadata with this metadata."""
        return encode({"kind": "PartialObjectMetadata", "apiVersion": METADATA_VERSION, "metadata": metadata})

    def opening(self, line: bytes) -> bytes:
        """The same: no line has more than its object."""
        return line


class Rows(msgspec.Struct, frozen=True):
    """Tables, as `kubectl get` requests them. `streamed`: of a watch, where only the first line has the columns."""

    resource: Resource
    include_object: str
    streamed: bool = False

    @property
    def name(self) -> str:
        """One for each group-version and each way to include objects."""
        return f"table {self.resource.api_version} {self.include_object}"

    def one(self, stored: Stored) -> bytes:
        """A table of one row."""
        return self.many([stored], {"resourceVersion": str(stored.version)})

    def many(self, items: Sequence[Stored], metadata: Object) -> bytes:
        """A table with a row for each object."""
        if self.include_object == "Object" or conversion.is_converted(self.resource):
            objects = (conversion.from_storage(self.resource, item.object()) for item in items)
            table = tables.table(self.resource, objects, self.include_object, columns=not self.streamed)
        else:
            table = self._with_stored_metadata(items)
        return encode({**table, "metadata": metadata})

    def _with_stored_metadata(self, items: Sequence[Stored]) -> Object:
        """Rows whose metadata, if any, goes from the store into the answer without being read."""
        encoded = []

        def objects() -> Iterator[Object]:
            for item in items:
                obj, metadata = item.shown()
                encoded.append(metadata)
                yield conversion.from_storage(self.resource, obj)

        table = tables.table(self.resource, objects(), "None", columns=not self.streamed)
        if self.include_object == "Metadata":
            for row, metadata in zip(table["rows"], encoded, strict=True):
                row["object"] = tables.partial(metadata)
        return table

    def bookmark(self, metadata: Object) -> bytes:
        """A table with one empty row that carries the metadata: kubectl reads the annotation there."""
        partial = {"kind": "PartialObjectMetadata", "apiVersion": METADATA_VERSION, "metadata": metadata}
        rows = [{"cells": [], "object": partial}]
        table = {"kind": "Table", "apiVersion": METADATA_VERSION, "columnDefinitions": None, "rows": rows}
        return encode({**table, "metadata": {"resourceVersion": metadata["resourceVersion"]}})

    def opening(self, line: bytes) -> bytes:
        """The line with the columns of all that follow."""
        return line.replace(_NO_COLUMNS, _COLUMNS + encode(tables.columns(self.resource)), 1)


class InVersion(msgspec.Struct, frozen=True):
    """Tables and metadata in another version of meta.k8s.io, which differs by its name alone."""

    view: View
    version: str

    @property
    def name(self) -> str:
        """One for each version."""
        return f"{self.view.name} {self.version}"

    def one(self, stored: Stored) -> bytes:
        """One object."""
        return self._named(self.view.one(stored))

    def many(self, items: Sequence[Stored], metadata: Object) -> bytes:
        """A list with its metadata."""
        return self._named(self.view.many(items, metadata))

    def bookmark(self, metadata: Object) -> bytes:
        """The object of a BOOKMARK event."""
        return self._named(self.view.bookmark(metadata))

    def opening(self, line: bytes) -> bytes:
        """The first line of a watch stream."""
        return self.view.opening(line)

    def _named(self, body: bytes) -> bytes:
        """The body with the other version: quotes inside texts are escaped, so only fields match."""
        return body.replace(_META_V1, b'"apiVersion":"meta.k8s.io/' + self.version.encode() + b'"')


def at_version(stored: Stored, version: int) -> Stored:
    """A past state at a later version: what a watcher gets when an object leaves its selection."""
    obj = decode(stored.body)
    obj["metadata"]["resourceVersion"] = str(version)
    return replace(stored, version=version, body=encode(obj))


def _list(head: Object, items: list[bytes]) -> bytes:
    return b"".join((encode(head)[:-1], b',"items":[', b",".join(items), b"]}"))
