"""JSON patch: a list of operations on one JSON document. Source: RFC 6902, RFC 6901 (pointers)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.json_equality import json_equal
from podwire.kube.numbers import read_number

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_OPERATIONS = 10_000
"""Upstream's limit (k8s.io/apiserver handlers/patch.go), against small bodies of huge cost."""

LARGEST_COPY = 3 * 1024 * 1024
"""JSON values that `copy` operations of one patch may add up to (CVE-2019-1002100)."""


class PatchError(ValueError):
    """The patch is no JSON patch."""


class PatchFailed(ValueError):  # noqa: N818  (the RFC's term: a patch fails)
    """The patch does not fit the document: a test failed, or a location is not there."""


class TooManyOperations(ValueError):  # noqa: N818
    """More operations, or more copying, than one patch may have."""


def apply(document: Any, operations: Any) -> Any:
    """The document after all operations; the one given stays as it is. All or nothing."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    if len(operations) > MOST_OPERATIONS:
        raise TooManyOperations(f"a JSON patch may have {MOST_OPERATIONS} operations, this one has {len(operations)}")
    patch = _Patch(copy.deepcopy(document))
    for operation in operations:
        patch.apply(operation)
    return patch.document


class _Patch:
    """A document in the middle of a patch."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0
        self._operations: dict[str, Callable[[Any], None]] = {
            "add": lambda operation: self._add(_pointer(operation, "path"), _value(operation)),
            "remove": lambda operation: self._remove(_pointer(operation, "path")),
            "replace": lambda operation: self._replace(_pointer(operation, "path"), _value(operation)),
            "move": self._move,
            "copy": self._copy,
            "test": self._test,
        }

    def apply(self, operation: Any) -> None:
        name = operation.get("op") if isinstance(operation, dict) else None
        if not isinstance(name, str) or name not in self._operations:
            raise PatchError(f"unknown operation {name!r}: use one of {', '.join(self._operations)}")
        self._operations[name](operation)

    def _add(self, pointer: list[str], value: Any) -> None:
        if not pointer:
            self.document = value
            return
        parent, last = self._parent(pointer), pointer[-1]
        if isinstance(parent, dict):
            parent[last] = value
        elif last == "-":
            parent.append(value)
        else:
            parent.insert(_index(last, len(parent) + 1, pointer), value)

    def _remove(self, pointer: list[str]) -> Any:
        if not pointer:
            raise PatchFailed("the whole document cannot be removed")
        self._get(pointer)
        parent, last = self._parent(pointer), pointer[-1]
        return parent.pop(last) if isinstance(parent, dict) else parent.pop(int(last))

    def _replace(self, pointer: list[str], value: Any) -> None:
        if not pointer:
            self.document = value
            return
        self._get(pointer)
        parent, last = self._parent(pointer), pointer[-1]
        parent[last if isinstance(parent, dict) else int(last)] = value

    def _move(self, operation: Any) -> None:
        source, target = _pointer(operation, "from"), _pointer(operation, "path")
        if target[: len(source)] == source and target != source:
            raise PatchFailed(f"{_shown(source)} cannot be moved into itself")
        if source != target:
            self._add(target, self._remove(source))

    def _copy(self, operation: Any) -> None:
        value = self._get(_pointer(operation, "from"))
        self._copied += _size(value)
        if self._copied > LARGEST_COPY:
            raise TooManyOperations(f"the copies of one JSON patch may add up to {LARGEST_COPY} bytes")
        self._add(_pointer(operation, "path"), copy.deepcopy(value))

    def _test(self, operation: Any) -> None:
        pointer = _pointer(operation, "path")
        if not json_equal(self._get(pointer), _value(operation)):
            raise PatchFailed(f"testing path {_shown(pointer)} failed: the value is another one")

    def _parent(self, pointer: list[str]) -> Any:
        parent = self._get(pointer[:-1])
        if not isinstance(parent, dict | list):
            raise PatchFailed(f"{_shown(pointer)} is inside a value that has no parts")
        return parent

    def _get(self, pointer: list[str]) -> Any:
        value = self.document
        for part in pointer:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list):
                value = value[_index(part, len(value), pointer)]
            else:
                raise PatchFailed(f"{_shown(pointer)} is not there")
        return value


def _pointer(operation: dict[str, Any], member: str) -> list[str]:
    text = operation.get(member)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError(f"{member!r} of an operation is a JSON pointer such as /spec/replicas, not {text!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError(f"operation {operation['op']!r} needs a value")
    return operation["value"]


def _index(part: str, length: int, pointer: list[str]) -> int:
    """A list position below `length`. RFC 6901 allows no sign and no leading zero."""
    position = read_number(part, 9)
    if position is None or (part[0] == "0" and part != "0"):
        raise PatchFailed(f"{_shown(pointer)}: {part!r} is no position of a list")
    if position >= length:
        raise PatchFailed(f"{_shown(pointer)} is past the end of the list")
    return position


def _size(value: Any) -> int:
    """About how many bytes a value takes as JSON."""
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return 2 + sum(1 + _size(item) for item in value)
    return len(value) + 2 if isinstance(value, str) else 8


def _shown(pointer: list[str]) -> str:
    return "".join(f"/{part}" for part in pointer) or "the document"
