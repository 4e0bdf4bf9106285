"""Read the types of one Go package from its source: structs with their fields and tags, as `go_types` has them.

Types are known by their Go expression: `*JSON`, `[]string`, `map[string]JSONSchemaProps`. Only what Kubernetes' API
types use is understood; anything else raises ValueError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.go_types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STRUCT = re.compile(r"^type (\w+) struct ?\{(?:\}|\n(.*?)^\})", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^type (\w+) ([^\s{]+)$", re.MULTILINE)
_FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`", re.MULTILINE)
_IMPORT = re.compile(r'^\t(?:(\w+) )?"([^"]+)"$', re.MULTILINE)
_TAG = re.compile(r'(\w+):"([^"]*)"')
_SCALARS = {
    "bool": Kind.BOOL,
    "int": Kind.INT,
    "int32": Kind.INT32,
    "int64": Kind.INT64,
    "uint8": Kind.UINT8,
    "byte": Kind.UINT8,
    "float64": Kind.FLOAT64,
    "string": Kind.STRING,
}
_STRINGS = frozenset({"k8s.io/apimachinery/pkg/types.UID"})
"""Types of other packages that are texts; all others of other packages are structs."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct: its Go name, its type's expression, its tags by key."""

    name: str
    type: str
    tags: dict[str, str]


class Source:
    """The types of the package `path`, such as `k8s.io/api/core/v1`, in the given files."""

    def __init__(self, path: str, files: list[Path]) -> None:
        self._path = path
        self._structs: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._imports: dict[str, str] = {}
        for file in files:
            text = file.read_text()
            self._structs |= dict(_STRUCT.findall(text))
            self._aliases |= dict(_NAMED.findall(text))
            self._imports |= {alias or found.rpartition("/")[2]: found for alias, found in _IMPORT.findall(text)}

    def named_structs(self) -> Iterator[tuple[str, str]]:
        """Each struct type: `package/path.Name` and its expression."""
        yield from ((self.name(name), name) for name in self._structs)

    def kind(self, type_: str) -> int:
        """The kind of a type; those of other packages are structs."""
        if type_ in self._aliases:
            return self.kind(self._aliases[type_])
        for start, kind in (("*", Kind.POINTER), ("[]", Kind.SLICE), ("map[string]", Kind.MAP)):
            if type_.startswith(start):
                return kind
        if type_ in self._structs:
            return Kind.STRUCT
        if "." in type_:
            return Kind.STRING if self.name(type_) in _STRINGS else Kind.STRUCT
        if type_ not in _SCALARS:
            raise ValueError(f"the Go type {type_} is not known here")
        return _SCALARS[type_]

    def name(self, type_: str) -> str:
        """The full name of a type, `package/path.Name`."""
        package, dot, name = type_.rpartition(".")
        return f"{self._imports[package] if dot else self._path}.{name}"

    def element(self, type_: str) -> str:
        """What a pointer, slice or map holds."""
        return re.sub(r"^(?:\*|\[\]|map\[string\])", "", self._aliases.get(type_, type_), count=1)

    def methods(self, type_: str) -> set[str]:
        """The names of a type's methods: none, as only the lists of texts with methods of their own need them."""
        del type_
        return set()

    def fields(self, type_: str) -> Iterator[Field]:
        """The fields of a struct that have tags; none of a type of another package."""
        for name, field_type, tags in _FIELD.findall(self._structs.get(type_, "")):
            yield Field(name or field_type.rpartition(".")[2], field_type, dict(_TAG.findall(tags)))
