r"""JSONPath as printer columns use it: the values at a place of an object, in order.

    .a.b   ['a']   .a['b.c']   .a\.b   [0]   [-1]   [1:3]   [*]   .*   ..name   [?(@.type=="Ready")]   [0,2]

A filter compares a path (`@.a.b`) with a text, number or boolean by ==, !=, <, <=, >, >=; a path alone is true where it
is there. Source: kubernetes.io "JSONPath Support"; k8s.io/client-go `util/jsonpath`.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_NAME = re.compile(r"(?:\\.|[^.\[\]\s\\'\"(){}?@,:*])+")
_SUBSCRIPT = re.compile(
    r"\[\s*(?:\?\((?P<filter>.*?)\)|(?P<inner>(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\]'\"])*))\s*\]"
)
_COMPARISON = re.compile(r"(?P<left>@\S*?)\s*(?:(?P<sign>==|!=|<=|>=|<|>)\s*(?P<right>.+))?")
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class JsonPathError(ValueError):
    """A path that cannot be read; the text names the place."""


def find(path: str, value: Any) -> list[Any]:
    """The values at a path; none where there are none. Raises JsonPathError."""
    found = [value]
    for step in steps(path):
        found = [inner for outer in found for inner in step(outer)]
    return found


@functools.lru_cache(maxsize=1024)
def steps(path: str) -> tuple[Step, ...]:
    """A path as functions from a value to the values inside it; raises JsonPathError."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$").removeprefix("@")
    found: list[Step] = []
    position = 0
    while position < len(text):
        step, position = _step(text, position)
        found.append(step)
    return tuple(found)


def _step(text: str, at: int) -> tuple[Step, int]:
    """The step that begins at a position, and the position after it."""
    if text.startswith("..", at):
        name = _NAME.match(text, at + 2)
        if name is None:
            raise JsonPathError(f"a name must follow '..' at {at + 2} of {text!r}")
        return functools.partial(_everywhere, _unescaped(name[0])), name.end()
    if text.startswith("[", at):
        subscript = _SUBSCRIPT.match(text, at)
        if subscript is None:
            raise JsonPathError(f"the bracket at {at} of {text!r} does not close")
        return _subscript(subscript), subscript.end()
    start = at + text.startswith(".", at)
    if text.startswith("[", start):
        return _step(text, start)
    if text.startswith("*", start):
        return _children, start + 1
    name = _NAME.match(text, start)
    if name is None:
        if start == len(text):
            return _itself, start
        raise JsonPathError(f"{text[start]!r} at {start} of {text!r} is not understood")
    return functools.partial(_named, _unescaped(name[0])), name.end()


def _subscript(found: re.Match[str]) -> Step:
    if found["filter"] is not None:
        return _filter(found["filter"])
    inner = found["inner"].strip()
    if inner == "*":
        return _children
    if inner[:1] in {"'", '"'}:
        return functools.partial(_named, _literal(inner))
    parts = [_slice(part.strip()) for part in inner.split(",")]
    return lambda value: (item for part in parts for item in part(value))


def _slice(text: str) -> Step:
    """`1`, `-1`, `1:3`, `::2`."""
    bounds = re.fullmatch(r"(-?\d+)?(?:(:)(-?\d+)?(?::(-?\d+)?)?)?", text)
    if not text or bounds is None:
        raise JsonPathError(f"[{text}] is no position")
    if bounds[2] is None:
        return functools.partial(_item, int(bounds[1]))
    start, stop, stride = (int(part) if part else None for part in bounds.group(1, 3, 4))
    if stride == 0:
        raise JsonPathError(f"[{text}] has a step of 0")
    chosen = slice(start, stop, stride)
    return lambda value: iter(value[chosen] if isinstance(value, list) else ())


def _filter(text: str) -> Step:
    parsed = _COMPARISON.fullmatch(text.strip())
    if parsed is None:
        raise JsonPathError(f"the filter {text!r} is not understood: compare a path such as @.type with a value")
    left = parsed["left"]
    steps(left)
    if parsed["sign"] is None:
        return lambda value: (item for item in _children(value) if find(left, item))
    compare, right = _SIGNS[parsed["sign"]], _literal(parsed["right"].strip())
    return lambda value: (item for item in _children(value) if _holds(compare, find(left, item), right))


def _holds(compare: Callable[[Any, Any], bool], found: list[Any], desired: Any) -> bool:
    try:
        return bool(found) and compare(found[0], desired)
    except TypeError:
        return False


def _literal(text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] and text[0] in {"'", '"'}:
        return _unescaped(text[1:-1])
    try:
        return json.loads(text)
    except ValueError as error:
        raise JsonPathError(f"{text!r} is no value: write a quoted text, a number, true or false") from error


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _named(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and name in value:
        yield value[name]


def _item(position: int, value: Any) -> Iterator[Any]:
    if isinstance(value, list) and -len(value) <= position < len(value):
        yield value[position]


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield from value.values() if isinstance(value, dict) else value


def _everywhere(name: str, value: Any) -> Iterator[Any]:
    yield from _named(name, value)
    for inner in _children(value):
        yield from _everywhere(name, inner)


def _itself(value: Any) -> Iterator[Any]:
    yield value
