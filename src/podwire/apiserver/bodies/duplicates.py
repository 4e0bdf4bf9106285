"""Fields that occur twice in one object of a body: of the two values one is lost.

The wording is upstream's. Source: sigs.k8s.io/json `UnmarshalStrict`; go.yaml.in/yaml `decode.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.encoding import decode, encode
from podwire.apiserver.bodies.reader import JSON_TYPES, YAML_TYPES, is_json, media_type

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLON = b":"
"""As often in a body as in what was read of it: no key got lost, and there is no need to look closer."""


def duplicate_fields(body: bytes, content_type: str, value: Any = None) -> tuple[str, ...]:
    """Warnings about a body: `duplicate field "spec.foo"`. None for encodings that cannot have duplicates.

    `value` is what was read, where the caller still has it: to read a body again costs most of this.
    """
    kind = media_type(content_type)
    if kind in YAML_TYPES or (kind.endswith("+yaml") and not is_json(body)):
        return tuple(_in_yaml(body))
    if kind not in JSON_TYPES and not kind.endswith(("+json", "+yaml")):
        return ()
    if body.count(_COLON) == encode(decode(body) if value is None else value).count(_COLON):
        return ()
    found = _in_json(json.loads(body, object_pairs_hook=_Pairs))
    return tuple(dict.fromkeys(f'duplicate field "{path}"' for path in found))


class _Pairs(list[tuple[str, Any]]):
    """An object with every key that occurs in it."""


def _in_json(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, inner in value:
            where = f"{path}.{name}" if path else name
            if name in seen:
                yield where
            seen.add(name)
            yield from _in_json(inner, where)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _in_json(item, f"{path}[{place}]")


def _in_yaml(body: bytes) -> Iterator[str]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    root = yaml.compose(body, Loader=loader)
    pending, known = [root] if root is not None else [], set()
    while pending:
        node = pending.pop()
        if id(node) in known or isinstance(node, yaml.ScalarNode):
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += reversed(node.value)
            continue
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and isinstance(key.value, str):
                yield f'line {key.start_mark.line + 1}: key "{key.value}" already set in map'
            seen.add(str(key.value))
        pending += [inner for _, inner in reversed(node.value)]
