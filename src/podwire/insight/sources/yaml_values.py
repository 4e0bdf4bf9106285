"""Values of YAML documents, as an API server reads them, from the events of libyaml.

PyYAML's own constructor takes three times as long, makes dates of texts, and takes the last of two equal keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.nodes import ScalarNode

MOST_NODES = 5_000_000
"""Of all documents of a text, aliases counted as what they mean: they multiply."""
MOST_DEPTH = 200
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {f"tag:yaml.org,2002:{one}" for one in ("null", "bool", "int", "float")}
_MERGE = "<<"
_BOOLEANS = {"y": True, "Y": True, "n": False, "N": False}
"""Of YAML 1.1, and so of kubectl; PyYAML knows the longer words only."""

_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"[-+]?0o[0-7]+", re.ASCII)
"""Numbers of kubectl (goyaml.v2 `resolve.go`) that are texts for PyYAML."""


class NoValueError(yaml.MarkedYAMLError):
    """Valid YAML that is no value of an API: keys that are no texts, a key twice, too many nodes."""


class TooManyValuesError(NoValueError):
    """A text has more values than are read."""


class Anchored:
    """The value of an anchor, and the nodes in it."""

    def __init__(self, value: Any, nodes: int) -> None:
        self.value, self.nodes = value, nodes


def documents(text: str) -> Iterator[tuple[int, int, Any]]:
    """Yield the first line (from 0), the first character's index and the value of each document.

    Raises yaml.YAMLError.
    """
    loader = _LOADER(text)
    builder = _Builder(loader)
    try:
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, DocumentStartEvent):
                start = loader.peek_event().start_mark
                yield start.line, start.index, builder.document()
    finally:
        loader.dispose()


class _Builder:
    """Makes values of events. One for a text: equal scalars are resolved once."""

    def __init__(self, loader: Any) -> None:
        self._next = loader.get_event
        self._loader = loader
        self._scalars: dict[str, Any] = dict(_BOOLEANS)
        self._anchors: dict[str, Anchored] = {}
        self._nodes = 0

    def document(self) -> Any:
        """Return the value of the node that begins with the next event."""
        self._anchors = {}
        return self._value(self._next(), 0)

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _too_many(event)
        if kind is ScalarEvent and event.anchor is None:
            return self._scalar(event)
        if depth > MOST_DEPTH:
            raise NoValueError(problem=f"more than {MOST_DEPTH} levels", problem_mark=event.start_mark)
        if kind is AliasEvent:
            return self._alias(event)
        before = self._nodes
        value: Any
        if kind is MappingStartEvent:
            value = self._mapping(depth)
        elif kind is SequenceStartEvent:
            value = self._sequence(depth)
        else:
            value = self._scalar(event)
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = Anchored(value, self._nodes - before + 1)
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Any] = []
        while True:
            key = self._next()
            mark: Any = key.start_mark
            if type(key) is MappingEndEvent:
                break
            if type(key) is not ScalarEvent:
                raise NoValueError(problem="a key must be a text", problem_mark=mark)
            value = self._value(self._next(), depth + 1)
            if key.value == _MERGE and key.implicit[0]:
                merged.append((key, value))
                continue
            if key.value in found:
                raise NoValueError(problem=f"key '{key.value}' is there twice", problem_mark=mark)
            found[key.value] = value
        for key, value in merged:
            found = {**_merged(key, value), **found}
        return found

    def _sequence(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while True:
            event = self._next()
            if type(event) is SequenceEndEvent:
                return found
            found.append(self._value(event, depth + 1))

    def _alias(self, event: Any) -> Any:
        known = self._anchors.get(event.anchor)
        if known is None:
            raise NoValueError(problem=f"alias *{event.anchor} has no anchor before it", problem_mark=event.start_mark)
        self._nodes += known.nodes
        if self._nodes > MOST_NODES:
            raise _too_many(event)
        return known.value

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if event.tag is not None:
            return self._tagged(event.tag, event)
        if not event.implicit[0]:
            return text
        try:
            return self._scalars[text]
        except KeyError:
            tag = self._loader.resolve(ScalarNode, text, (True, False))
            if tag in _TAGS and ":" not in text:  # 22:22 is no number of base 60 for kubectl
                found = self._tagged(tag, event)
            elif _FLOAT.fullmatch(text):
                found = float(text)
            else:
                found = int(text, 8) if _OCTAL.fullmatch(text) else text
            self._scalars[text] = found
            return found

    def _tagged(self, tag: str, event: Any) -> Any:
        """Return the value of a scalar with a tag; only those that JSON has count."""
        if tag not in _TAGS:
            return event.value
        node = ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            return self._loader.construct_object(node)
        except ValueError:
            raise NoValueError(problem=f"'{event.value}' is no {tag}", problem_mark=event.start_mark) from None


def _too_many(event: Any) -> TooManyValuesError:
    text = f"more than {MOST_NODES:,} values, aliases included: name fewer objects"
    return TooManyValuesError(problem=text, problem_mark=event.start_mark)


def _merged(key: Any, value: Any) -> dict[str, Any]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in values):
        raise NoValueError(problem="'<<' needs a mapping", problem_mark=key.start_mark)
    found: dict[str, Any] = {}
    for one in reversed(values):
        found.update(one)
    return found


def composed(text: str) -> Any:
    """Return the node of the first document, with the marks of its fields; None where there is none."""
    loader = _LOADER(text)
    try:
        return loader.get_node() if loader.check_node() else None
    except yaml.YAMLError:
        return None
    finally:
        loader.dispose()


def line_of(node: Any, path: Iterable[str | int]) -> int:
    """Return the line (from 0) of a field below the node, else of its nearest parent that is there."""
    line = node.start_mark.line
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return int(line)


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    """Return the line and node of a field: a key's own line, an item's first line."""
    if isinstance(node, yaml.MappingNode):
        found = next(((key, value) for key, value in node.value if key.value == part), None)
        return (found[0].start_mark.line, found[1]) if found is not None else None
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None
