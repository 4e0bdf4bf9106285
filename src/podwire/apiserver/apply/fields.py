"""Sets of fields in the form in which `managedFields` keeps them (FieldsV1): nothing is converted to store them.

    f:name      the field of this name
    k:{"a":1}   the item of a list with these key fields
    v:"x"       the item of a list with this value
    i:0         the item at this position
    .           beside others: the thing itself, not only what is in it

A set is a tree of such keys. An empty node is a member; a node with children is one only with `.` among them. Sets are
never changed: each function answers a new one, which may share parts with its arguments, and keeps upstream's order.
Source: k8s.io/apimachinery `meta/v1` FieldsV1; sigs.k8s.io/structured-merge-diff `fieldpath`.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base.encoding import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Fields = dict[str, Any]

SELF = "."
_ORDER = {SELF: 0, "f": 1, "k": 2, "v": 3, "i": 4}


class FieldsError(ValueError):
    """A value is no set of fields; the text names the key."""


def name_key(name: str) -> str:
    """The key of a named field."""
    return f"f:{name}"


def item_key(values: Mapping[str, Any]) -> str:
    """The key of a list's item that is identified by some of its fields."""
    ordered = values if len(values) == 1 else {name: values[name] for name in sorted(values)}
    return "k:" + encode(ordered).decode()


def value_key(value: Any) -> str:
    """The key of a list's item that is identified by its value."""
    return "v:" + encode(value).decode()


def is_member(node: Fields) -> bool:
    """Whether the thing at this node belongs to the set, not only something in it."""
    return not node or SELF in node


def node(children: Fields, *, member: bool) -> Fields | None:
    """A node with these children; None where neither it nor anything in it belongs to the set."""
    if not children:
        return {} if member else None
    return {SELF: {}, **children} if member else children


def children(node: Fields) -> Fields:
    """What is below a node."""
    return {key: inner for key, inner in node.items() if key != SELF} if SELF in node else node


def union(one: Fields, other: Fields) -> Fields:
    """What is in either."""
    if not one or not other or one == other:
        return one or other
    result = dict(one) if other.keys() <= one.keys() else sorted_by_key({**one, **other})
    for key, theirs in other.items():
        mine = one.get(key)
        if mine is not None and mine != theirs:
            below = union(children(mine), children(theirs))
            result[key] = node(below, member=is_member(mine) or is_member(theirs))
    return result


def intersection(one: Fields, other: Fields) -> Fields:
    """What is in both."""
    result = {}
    for key, mine in one.items():
        theirs = other.get(key)
        if theirs is not None:
            below = intersection(children(mine), children(theirs))
            both = node(below, member=is_member(mine) and is_member(theirs))
            if both is not None:
                result[key] = both
    return result


def difference(one: Fields, other: Fields) -> Fields:
    """What is in the first and not in the other. Taking a thing out leaves what is in it."""
    if not other:
        return one
    result = {}
    for key, mine in one.items():
        theirs = other.get(key)
        if theirs is None or not mine:
            if theirs is None or not is_member(theirs):
                result[key] = mine
            continue
        below = difference(children(mine), children(theirs))
        left = node(below, member=is_member(mine) and not is_member(theirs))
        if left is not None:
            result[key] = left
    return result


def paths(fields: Fields, prefix: str = "") -> Iterator[str]:
    """Every member as messages show it, such as `.spec.containers[name="main"].image`: first those of this level."""
    for key in sorted(fields, key=_place):
        if key != SELF and is_member(fields[key]):
            yield prefix + shown(key)
    for key in sorted(fields, key=_place):
        if fields[key]:
            yield from paths(children(fields[key]), prefix + shown(key))


def shown(key: str) -> str:
    """One key as messages show it."""
    kind, _, text = key.partition(":")
    match kind:
        case "k":
            shown = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in decode(text).items())
            return f"[{','.join(shown)}]"
        case "v":
            return f"[={text}]"
        case "i":
            return f"[{text}]"
        case _:
            return f".{text}"


def sorted_by_key(fields: Fields) -> Fields:
    """The same node with its keys in the order in which upstream writes them."""
    if all(key[0] in "f." for key in fields):
        return {key: fields[key] for key in sorted(fields)}
    return {key: fields[key] for key in sorted(fields, key=_place)}


def read(value: Any) -> Fields:
    """A set as a client sent it, its keys in this server's spelling; raises FieldsError."""
    if not isinstance(value, dict):
        raise FieldsError(f"a set of fields is an object, not {value!r}")
    return sorted_by_key({_spelled(key): read(inner) for key, inner in value.items()})


def _spelled(key: str) -> str:
    kind, colon, text = key.partition(":")
    if key == SELF or (colon and kind == "f"):
        return key
    try:
        value = decode(text)
    except msgspec.DecodeError as error:
        raise FieldsError(f"{key!r} is no key of a set of fields: {error}") from error
    if kind == "k" and isinstance(value, dict):
        return item_key(value)
    if kind == "v" or (kind == "i" and isinstance(value, int)):
        return f"{kind}:{encode(value).decode()}"
    raise FieldsError(f"{key!r} is no key of a set of fields: it begins with f:, k:, v: or i:")


@functools.lru_cache(maxsize=1024)
def _place(key: str) -> tuple[int, tuple[tuple[bool, float, str], ...]]:
    """The sort key of a key: by kind, then numbers before texts, each in their own order."""
    kind, _, text = key.partition(":")
    if kind in {"f", SELF}:
        return _ORDER[kind], ((True, 0, text),)
    value = decode(text)
    return _ORDER[kind], tuple(map(_rank, value.values() if isinstance(value, dict) else [value]))


def _rank(value: Any) -> tuple[bool, float, str]:
    return (False, value, "") if isinstance(value, int | float) else (True, 0, str(value))
