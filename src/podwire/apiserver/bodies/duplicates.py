"""Fields that occur twice in one object of a body: of the two values one is lost.

The wording is upstream's. Source: sigs.k8s.io/json `UnmarshalStrict`; go.yaml.in/yaml `decode.go`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from podwire.apiserver.base.encoding import decode, encode
from podwire.apiserver.bodies.reader import JSON_TYPES, YAML_TYPES, is_json, media_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COLON = b":"
"""As often in a body as in what was read of it: no key got lost, and there is no need to look closer."""


class Duplicate(NamedTuple):
    """A field that occurs again: the warning `duplicate field "spec.foo"`, and how many fields come before it."""

    message: str
    position: int = 0


def duplicate_fields(body: bytes, content_type: str, value: Any = None) -> tuple[Duplicate, ...]:
    """Warnings about a body. None for encodings that cannot have duplicates; those of YAML have no position.

    `value` is what was read, where the caller still has it: to read a body again costs most of this.
    """
    kind = media_type(content_type)
    if kind in YAML_TYPES or (kind.endswith("+yaml") and not is_json(body)):
        return tuple(map(Duplicate, _in_yaml(body)))
    if kind not in JSON_TYPES and not kind.endswith(("+json", "+yaml")):
        return ()
    if body.count(_COLON) == encode(decode(body) if value is None else value).count(_COLON):
        return ()
    seen: set[str] = set()
    found: dict[str, Duplicate] = {}
    for path, again in _fields(json.loads(body, object_pairs_hook=_Pairs)):
        if again:
            found.setdefault(path, Duplicate(f'duplicate field "{path}"', len(seen)))
        seen.add(path)
    return tuple(found.values())


def with_unknown(duplicates: Iterable[Duplicate], unknown: Iterable[str], value: Any) -> list[str]:
    """The warnings about duplicate fields and those about unknown ones, in the order in which a decoder meets them.

    `unknown` are texts that end in a quoted path; `value` is the body as it was read.
    """
    places = {f'"{path}"': place for place, (path, _) in enumerate(_fields(value))}
    ranked = [(entry.position, 0, entry.message) for entry in duplicates]
    ranked += [(places.get(text[text.index('"') :], len(places)), 1, text) for text in unknown]
    return [text for _, _, text in sorted(ranked, key=lambda entry: entry[:2])]


class _Pairs(list[tuple[str, Any]]):
    """An object with every key that occurs in it."""


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    """The path of each field, before those within it, and whether its object had it already."""
    if isinstance(value, _Pairs | dict):
        seen: set[str] = set()
        for name, inner in value.items() if isinstance(value, dict) else value:
            where = f"{path}.{name}" if path else name
            yield where, name in seen
            seen.add(name)
            yield from _fields(inner, where)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _fields(item, f"{path}[{place}]")


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
