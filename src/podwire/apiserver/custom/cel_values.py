"""JSON values as CEL sees them through their schema: only declared fields, names escaped, formats as types.

Source: kubernetes.io "Validation rules", tables "type mapping" and "escaping".
"""

from __future__ import annotations

import binascii
import functools
import re
from typing import Any

from podwire.apiserver.custom import formats
from podwire.apiserver.custom.structural import META_FIELDS, Structural

_LITERALS = ("true", "false", "null")
_KEYWORDS = ("in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop")
_MORE_KEYWORDS = ("package", "namespace", "return", "var", "void", "while")
_RESERVED = frozenset((*_LITERALS, *_KEYWORDS, *_MORE_KEYWORDS))
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ROOT_METADATA = ("name", "generateName")


def to_cel(schema: Structural, value: Any, *, root: bool = False) -> Any:
    """The value for an expression; of the object's own metadata only the name is visible."""
    if isinstance(value, dict):
        return _object(schema, value, root=root)
    if isinstance(value, list):
        return value if schema.items is None else [to_cel(schema.items, item) for item in value]
    if isinstance(value, str):
        return _text(schema.format, value)
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return int(value) if schema.type == "integer" and isinstance(value, float) else value


@functools.lru_cache(maxsize=4096)
def escaped(name: str) -> str:
    """A field's name as expressions write it."""
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[./-]", lambda found: _ESCAPES[found[0]], name)


def _object(schema: Structural, value: dict[str, Any], *, root: bool) -> dict[str, Any]:
    if isinstance(schema.additional, Structural) and not schema.properties:
        return {name: to_cel(schema.additional, inner) for name, inner in value.items()}
    seen = {
        escaped(name): to_cel(declared, value[name]) for name, declared in schema.properties.items() if name in value
    }
    if root or schema.embedded:
        seen.update({name: value[name] for name in META_FIELDS[:2] if name in value})
        own = value.get("metadata")
        if isinstance(own, dict):
            seen["metadata"] = {name: own[name] for name in _ROOT_METADATA if name in own}
    return seen


def _text(form: str, value: str) -> Any:
    if form in {"date-time", "datetime"}:
        return formats.moment(value) or value
    if form == "duration":
        found = formats.duration(value)
        return value if found is None else found
    if form == "byte":
        try:
            return binascii.a2b_base64(value)
        except binascii.Error:
            return value
    return value
