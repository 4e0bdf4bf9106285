"""Every field of Istio's kinds that are read: exact, differs or refused. Pure.

docs/reference/istio.md is made from this table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from podwire.mesh.istio import security_fields, traffic_fields
from podwire.mesh.istio.field import Field, Support

KINDS = {
    "AuthorizationPolicy": "security.istio.io",
    "RequestAuthentication": "security.istio.io",
    "PeerAuthentication": "security.istio.io",
    "VirtualService": "networking.istio.io",
    "DestinationRule": "networking.istio.io",
}
"""Their API groups."""
TABLE: tuple[Field, ...] = (*security_fields.rows(), *traffic_fields.rows())
_BY_PATH = {(one.kind, one.path): one for one in TABLE}
_INDEX = re.compile(r"\[\d+\]")
UNKNOWN = "no field of Istio 1.32 that podwire knows: remove it"

Path = tuple[str | int, ...]


def written_fields(kind: str, value: Mapping[str, Any]) -> Iterator[tuple[Path, Field]]:
    """Yield the fields that an object has, each with its row; one without a row is refused."""
    yield from _fields(kind, value.get("spec", {}), ("spec",))


def path_text(path: Path) -> str:
    """Return a path as `spec.rules[0].from`."""
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).removeprefix(".")


def _fields(kind: str, value: Any, path: Path) -> Iterator[tuple[Path, Field]]:
    text = _INDEX.sub("[]", path_text(path))
    row = _BY_PATH.get((kind, text))
    if row is not None:
        yield path, row
    elif isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _fields(kind, one, (*path, str(name)))
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from _fields(kind, one, (*path, number))
    elif value not in ({}, [], None):
        yield path, Field(kind, text, Support.REFUSED, UNKNOWN)
