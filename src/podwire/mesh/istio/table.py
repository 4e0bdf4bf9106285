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
    yield from _fields(kind, value.get("spec") or {}, ("spec",), None)


def path_text(path: Path) -> str:
    """Return a path as `spec.rules[0].from`."""
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path).removeprefix(".")


def path_of(text: str) -> Path:
    """Return the path that a text means."""
    return tuple(int(found[1]) if found[1] else found[2] for found in _STEP.finditer(text))


def _fields(kind: str, value: Any, path: Path, above: Field | None) -> Iterator[tuple[Path, Field]]:
    """Yield the fields below a path. The row of the nearest one counts; `above` is that of the fields around it."""
    text = _INDEX.sub("[]", path_text(path))
    row = _BY_PATH.get((kind, text), above)
    if (kind, text) in _AROUND and isinstance(value, Mapping) and (value or len(path) == 1):
        if not value:
            yield path, Field(kind, text, Support.EXACT)
        for name, one in value.items():
            yield from _fields(kind, one, (*path, str(name)), row)
    elif (kind, text) in _AROUND and isinstance(value, list):
        for number, one in enumerate(value):
            yield from _fields(kind, one, (*path, number), row)
    elif row is not None:
        yield path, row
    elif value is not None:
        yield path, Field(kind, text, Support.REFUSED, UNKNOWN)


def _around(path: str) -> Iterator[str]:
    """Yield the paths that a path is below of."""
    for found in re.finditer(r"\.|\[\]", path):
        yield path[: found.start()]
        if found[0] == "[]" and found.end() < len(path):
            yield path[: found.end()]


_AROUND = frozenset((one.kind, text) for one in TABLE for text in _around(one.path))
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
