"""Remove fields that a schema does not have, and nulls that count as absent.

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/pruning`, `pkg/apiserver/schema/defaulting/prune.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.bodies.reader import without_nulls
from podwire.apiserver.custom.structural import Structural, known_by_nature

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

_ANYTHING = Structural(preserve=True)


def prune(schema: Structural, obj: Object) -> tuple[Object, list[str]]:
    """The object without unknown fields, and the paths of those that were taken out, in the order of the body."""
    dropped: list[str] = []
    kept = _object(schema, obj, "", dropped, root=True)
    if isinstance(kept.get("metadata"), dict):
        kept["metadata"] = without_nulls(kept["metadata"])
    return kept, dropped


def _value(schema: Structural, value: Any, path: str, dropped: list[str]) -> Any:
    if isinstance(value, dict):
        return _object(schema, value, path, dropped)
    if isinstance(value, list):
        inner = schema.items or (_ANYTHING if schema.preserve else Structural())
        return [_value(inner, item, f"{path}[{position}]", dropped) for position, item in enumerate(value)]
    return value


def _object(schema: Structural, value: Object, path: str, dropped: list[str], *, root: bool = False) -> Object:
    return dict(_fields(schema, value, path, dropped, root=root))


def _fields(
    schema: Structural, value: Object, path: str, dropped: list[str], *, root: bool
) -> Iterator[tuple[str, Any]]:
    """The fields that stay, their values pruned."""
    for name, inner in value.items():
        inner_path = f"{path}.{name}" if path else name
        declared = schema.child(name)
        if known_by_nature(schema, name, root=root):
            if inner is not None:
                yield name, inner
        elif declared is not None:
            if not _meaningless(declared, inner):
                yield name, _value(declared, inner, inner_path, dropped)
        elif schema.preserve or schema.additional is True:
            yield name, _value(_ANYTHING, inner, inner_path, dropped)
        else:
            dropped.append(inner_path)


def _meaningless(schema: Structural, value: Any) -> bool:
    """A null where null is no value: the field counts as absent, and gets its default."""
    return value is None and not schema.nullable and not _any(schema)


def _any(schema: Structural) -> bool:
    return schema.preserve and not schema.type
