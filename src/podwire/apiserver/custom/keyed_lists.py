"""Lists that are sets or maps have no item twice; embedded objects have apiVersion, kind and metadata.

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/listtype`, `pkg/apiserver/schema/objectmeta`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors, object_meta
from podwire.apiserver.base.field_path import Field
from podwire.apiserver.custom.structural import Structural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause


def problems(schema: Structural, value: Any, path: str = "") -> Iterator[Cause]:
    """Everything that is wrong with the lists and the embedded objects inside a value."""
    if isinstance(value, dict):
        if schema.embedded:
            yield from _embedded(Field(path, value))
        for name, inner in value.items():
            declared = schema.child(name)
            if declared is not None:
                yield from problems(declared, inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and schema.items is not None:
        yield from _repeated(schema, value, path)
        for position, item in enumerate(value):
            yield from problems(schema.items, item, f"{path}[{position}]")


def item_key(schema: Structural, item: Any) -> str:
    """The key of an item among those of its list, as a text; empty where the list has no keys."""
    if schema.list_type == "set":
        return json.dumps(item, sort_keys=True)
    if schema.list_type != "map" or not isinstance(item, dict):
        return ""
    return json.dumps(_keys(schema, item), sort_keys=True)


def _keys(schema: Structural, item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in schema.list_map_keys if name in item}


def _repeated(schema: Structural, value: list[Any], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for position, item in enumerate(value):
        key = item_key(schema, item)
        if key and key in seen:
            shown = _keys(schema, item) if schema.list_type == "map" else item
            yield field_errors.duplicate(f"{path}[{position}]", shown)
        seen.add(key)


def _embedded(obj: Field) -> Iterator[Cause]:
    for name in ("apiVersion", "kind"):
        if not obj[name].text:
            yield obj[name].required("must not be empty")
    own = obj["metadata"]
    if own.given and isinstance(own.value, dict):
        yield from object_meta.check_labels(own["labels"])
        yield from object_meta.check_annotations(own["annotations"])
