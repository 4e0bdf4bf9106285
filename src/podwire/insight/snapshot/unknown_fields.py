"""Fields and kinds that the API does not have: most are misspelt, or at another level. Pure.

An API server refuses such an object (`kubectl apply` validates strictly), or drops the field: a policy without its
`podSelector` selects all pods of its namespace.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from podwire.apiserver.kinds.schema import Schema, resolve
from podwire.insight.snapshot import known_fields
from podwire.insight.snapshot.snapshot import UnknownField, field
from podwire.insight.sources.manifests import Manifest, Path

MOST_LISTED = 8
"""Fields of a level that are shown where none is near."""
_NEAR, _NEAR_KIND = 0.6, 0.8


def unknown_fields(manifests: Iterable[Manifest]) -> Iterator[UnknownField]:
    """Yield what the API does not have, of kinds that podwire serves; other kinds are passed over."""
    for one in manifests:
        api_version, kind = str(one.value.get("apiVersion", "")), one.kind[1]
        schema = known_fields.schema(api_version, kind)
        if schema is None:
            yield from _misspelt_kind(one, api_version)
            continue
        found: list[tuple[Path, Schema]] = []
        _walk(schema, one.value, (), found)
        for path, level in found:
            yield UnknownField(one.field(path), _name(one), f"there is no field {field(path)}", _remedy(path, level))


def _walk(schema: Schema, value: Any, path: Path, found: list[tuple[Path, Schema]]) -> None:
    """Collect the fields that the schema does not have, with the schema of their level."""
    if type(value) is dict:
        if schema.any_object:
            return
        for name, inner in value.items():
            declared = schema.properties.get(name, schema.additional)
            if declared is None:
                found.append(((*path, name), schema))
            elif type(inner) is dict or type(inner) is list:
                _walk(resolve(declared), inner, (*path, name), found)
    elif type(value) is list and schema.items is not None:
        items = resolve(schema.items)
        for number, item in enumerate(value):
            _walk(items, item, (*path, number), found)


def _remedy(path: Path, level: Schema) -> str:
    """Return the nearest field of the same level; without one all of them."""
    name, names = str(path[-1]), sorted(level.properties)
    lower = {one.lower(): one for one in names}
    near = difflib.get_close_matches(name.lower(), lower, 1, _NEAR)
    if near:
        return f"write {lower[near[0]]}"
    listed = ", ".join(names[:MOST_LISTED]) + (" ..." if len(names) > MOST_LISTED else "")
    return f"remove it, or move it to its level: here are {listed}"


def _misspelt_kind(one: Manifest, api_version: str) -> Iterator[UnknownField]:
    near = difflib.get_close_matches(one.kind[1], known_fields.kinds(api_version), 1, _NEAR_KIND)
    if near and not near[0].endswith("List"):
        message = f"there is no kind {one.kind[1]} in {api_version}: the object is passed over"
        yield UnknownField(one.field(("kind",)), _name(one), message, f"write {near[0]}")


def _name(one: Manifest) -> str:
    metadata = one.value.get("metadata")
    given = metadata if isinstance(metadata, dict) else {}
    return f"{one.kind[1]} {'/'.join(filter(None, (given.get('namespace'), str(given.get('name') or ''))))}"
