"""Walks over objects by their shape: what fields they have, what changed, merging, taking out.

Source: sigs.k8s.io/structured-merge-diff `typed` (tofieldset, compare, merge, remove, validate).
"""

from __future__ import annotations

import operator
from collections import deque
from typing import TYPE_CHECKING, Any

from podwire.apiserver.apply import fields
from podwire.apiserver.apply.shapes import Form, NoKeyError, Shape
from podwire.apiserver.base.json_equality import json_equal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from podwire.apiserver.apply.fields import Fields

Object = dict[str, Any]

_CONTAINERS = (dict, list)


def field_set(value: Object, shape: Shape) -> Fields:
    """The fields of a configuration: its applier becomes their owner."""
    return _fields_of(value, shape, made=False)


def made_fields(value: Object, shape: Shape) -> Fields:
    """The fields that a write makes with a new value."""
    return _fields_of(value, shape, made=True)


def compare(old: Object, new: Object, shape: Shape) -> tuple[Fields, Fields]:
    """The fields that are new or changed, and those that are gone."""
    changed: Fields = {}
    removed: Fields = {}
    equal = json_equal if shape.whole else operator.eq  # Go's structs have types: there, no boolean equals a number
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if equal(before, after):
            continue
        inner, key = shape.inside(name), fields.name_key(name)
        if before is None:
            _put(changed, key, _node(after, inner, member=inner.whole, made=True))
        elif after is None:
            removed[key] = _everything(before, inner)
        else:
            _compare_values(key, (before, after), inner, changed, removed)
    return changed, removed


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """A live value with a configuration laid over it; fields outside the configuration stay."""
    if isinstance(live, dict) and isinstance(config, dict) and shape.form is Form.GRANULAR:
        laid = {
            name: merge(live[name], value, shape.inside(name)) if name in live else value
            for name, value in config.items()
        }
        return {**live, **laid}
    if isinstance(live, list) and isinstance(config, list) and shape.form is Form.ITEMS:
        return _merge_items(live, config, shape)
    return config


def remove(value: Any, gone: Fields, shape: Shape) -> Any:
    """A value without these fields; None where nothing is left of it."""
    if isinstance(value, dict) and shape.form is Form.GRANULAR:
        return _without_fields(value, gone, shape) or None
    if isinstance(value, list) and shape.form is Form.ITEMS:
        return _without_items(value, gone, shape) or None
    return None if isinstance(value, dict | list) else value


def with_named(found: Fields, shape: Shape) -> Fields:
    """The same set with all declared fields that have something in it: they vanish when all in them does."""
    result = {}
    for key, inner in found.items():
        name = key[2:] if key.startswith("f:") else ""
        below = with_named(fields.children(inner), shape.inside(name))
        member = fields.is_member(inner) or (bool(name) and name in shape.names)
        result[key] = fields.node(below, member=member)
    return result


def problems(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Why a configuration cannot be applied: unknown fields, items without a distinct key."""
    if isinstance(value, dict) and shape.form is Form.GRANULAR:
        for name, inner in value.items():
            declared = shape.field(name)
            if declared is None:
                yield f"{path}.{name}: field not declared in schema"
            else:
                yield from problems(inner, declared, f"{path}.{name}")
    elif isinstance(value, list) and shape.form is Form.ITEMS:
        yield from _item_problems(value, shape, path)


def _item_problems(value: list[Any], shape: Shape, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for place, item in enumerate(value):
        try:
            key = shape.key(item)
        except NoKeyError as error:
            yield f"{path}: element {place}: {error}"
            continue
        if key in seen:
            yield f"{path}: duplicate entries for key {fields.shown(key)}"
        seen.add(key)
        yield from problems(item, shape.item, path + fields.shown(key))


def _fields_of(value: Object, shape: Shape, *, made: bool) -> Fields:
    """The children of an object's node, in order. Every new object comes through here: plain values take no call."""
    result: Fields = {}
    for name in sorted(value):
        inner = value[name]
        if isinstance(inner, _CONTAINERS):
            child = shape.inside(name)
            member = child.whole if made else name not in shape.names
            found = _node(inner, child, member=member, made=made)
            if found is not None:
                result["f:" + name] = found
        else:
            result["f:" + name] = {}
    return result


def _node(value: Any, shape: Shape, *, member: bool, made: bool) -> Fields | None:
    """The node of a value; `member`: the value itself belongs to the set, beside what is in it."""
    if shape.form is Form.LEAF:
        return {}
    if isinstance(value, dict) and shape.form is Form.GRANULAR:
        if not value:
            return {}
        return fields.node(_fields_of(value, shape, made=made), member=member)
    if isinstance(value, list) and shape.form is Form.ITEMS:
        inner = shape.item
        found = {key: _node(item, inner, member=True, made=made) for key, item in _items(value, shape)}
        return fields.node(found if len(found) == 1 else fields.sorted_by_key(found), member=member)
    return {}


def _everything(value: Any, shape: Shape) -> Fields:
    """The node of a value that is gone, with all that was in it."""
    if isinstance(value, dict) and shape.form is Form.GRANULAR:
        below = {fields.name_key(name): _everything(inner, shape.inside(name)) for name, inner in value.items()}
    elif isinstance(value, list) and shape.form is Form.ITEMS:
        below = {key: _everything(item, shape.item) for key, item in _items(value, shape)}
    else:
        below = {}
    return {fields.SELF: {}, **below} if below else {}


def _compare_values(key: str, pair: tuple[Any, Any], shape: Shape, changed: Fields, removed: Fields) -> None:
    """Compare two unequal values and put what differs under their key."""
    before, after = pair
    if isinstance(before, dict) and isinstance(after, dict) and shape.form is Form.GRANULAR:
        more, less = compare(before, after, shape)
    elif isinstance(before, list) and isinstance(after, list) and shape.form is Form.ITEMS:
        more, less = _compare_items(before, after, shape)
    else:
        changed[key] = {}
        return
    if more:
        changed[key] = more
    if less:
        removed[key] = less


def _compare_items(before: list[Any], after: list[Any], shape: Shape) -> tuple[Fields, Fields]:
    changed: Fields = {}
    removed: Fields = {}
    old, new = dict(_items(before, shape)), dict(_items(after, shape))
    for key, item in new.items():
        if key not in old:
            _put(changed, key, _node(item, shape.item, member=True, made=True))
        elif not json_equal(old[key], item):
            _compare_values(key, (old[key], item), shape.item, changed, removed)
    for key in old.keys() - new.keys():
        removed[key] = _everything(old[key], shape.item)
    return fields.sorted_by_key(changed), removed


def _merge_items(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    """Items of both. Duplicates in the live list (variables may have them) stay until they are applied."""
    present: dict[str, list[Any]] = {}
    for key, item in _items(live, shape):
        present.setdefault(key, []).append(item)
    desired = dict(_items(config, shape))
    merged = []
    for key in _merged_order(list(present), list(desired)):
        if key in present and key in desired:
            merged.append(merge(present[key][0], desired[key], shape.item))
        else:
            merged += [desired[key]] if key in desired else present[key]
    return merged


def _merged_order(live: Sequence[str], config: Sequence[str]) -> list[str]:
    """The keys of both: in the order of the configuration, what only lives behind its live neighbours."""
    known, desired = set(live), set(config)
    left, right = deque(live), deque(config)
    shared = deque(key for key in config if key in known)
    order = []
    while left or right:
        if left and right and left[0] == right[0]:
            order.append(left.popleft())
            right.popleft()
            shared.popleft()
        elif left and left[0] not in desired:
            order.append(left.popleft())
        elif left and (not right or (shared and shared[0] != left[0])):
            left.popleft()
        else:
            key = right.popleft()
            order.append(key)
            if shared and shared[0] == key:
                shared.popleft()
    return order


def _without_fields(value: Object, gone: Fields, shape: Shape) -> Object:
    result = {}
    for name, inner in value.items():
        found = gone.get(fields.name_key(name))
        if found is None:
            result[name] = inner
        elif not fields.is_member(found):
            left = remove(inner, found, shape.inside(name))
            if left is not None:
                result[name] = left
    return result


def _without_items(value: list[Any], gone: Fields, shape: Shape) -> list[Any]:
    result = []
    for item in value:
        try:
            found = gone.get(shape.key(item))
        except NoKeyError:
            found = None
        if found is None:
            result.append(item)
        elif not fields.is_member(found):
            left = remove(item, found, shape.item)
            if left is not None:
                result.append(left)
    return result


def _items(value: list[Any], shape: Shape) -> Iterator[tuple[str, Any]]:
    """Items with their keys; stored items without a key have no owner."""
    for item in value:
        try:
            yield shape.key(item), item
        except NoKeyError:
            continue


def _put(into: Fields, key: str, node: Fields | None) -> None:
    if node is not None:
        into[key] = node
