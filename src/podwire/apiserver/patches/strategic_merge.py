"""Strategic merge patch: a merge patch that merges lists by their keys.

    $patch: replace | delete | merge         in an object, or as an item of a list to merge
    $retainKeys: [names]                     keys of the object that stay; all others go
    $deleteFromPrimitiveList/<list>: [...]   values to take out of a list of plain values
    $setElementOrder/<list>: [...]           the order of the merged list

Source: kubernetes/community `contributors/devel/sig-api-machinery/strategic-merge-patch.md`;
k8s.io/apimachinery `util/strategicpatch/patch.go`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from podwire.apiserver.kinds.schema import ListRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from podwire.apiserver.kinds.schema import MergeRules

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"

Object = dict[str, Any]


class StrategicPatchError(ValueError):
    """The patch cannot be understood; the message names the part."""


def apply(target: Object, patch: Object, rules: MergeRules | None) -> Object:
    """The object after the patch. The arguments stay as they are; `rules` None treats every list as one value."""
    return _merge_object(target, patch, rules)


def _merge_object(target: Object, patch: Object, rules: MergeRules | None) -> Object:
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return {key: _without_directives(value) for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    if directive is not None and directive != "merge":
        raise StrategicPatchError(f"unknown $patch directive {directive!r}: use replace, delete or merge")
    result = _retained(target, patch)
    for name in dict.fromkeys(_plain_name(key) for key in patch if key not in {DIRECTIVE, RETAIN_KEYS}):
        _merge_property(result, name, patch, rules)
    return result


def _merge_property(result: Object, name: str, patch: Object, rules: MergeRules | None) -> None:
    """Apply all parts of a patch that concern one property."""
    rule = rules.child(name) if rules is not None else None
    removed, order = _list_directive(patch, DELETE_FROM_LIST + name), _list_directive(patch, SET_ORDER + name)
    value = patch.get(name, [] if removed or order else None)
    if value is None:
        if name in patch:
            result.pop(name, None)
    elif isinstance(value, dict):
        child = rule if not isinstance(rule, ListRule) else None
        current = result.get(name)
        result[name] = _merge_object(current if isinstance(current, dict) else {}, value, child)
    elif isinstance(value, list) and isinstance(rule, ListRule) and rule.merge:
        if name in result or name in patch:
            current = result.get(name)
            result[name] = _merge_list(current if isinstance(current, list) else [], value, rule, (removed, order))
    elif name in patch:
        result[name] = _without_directives(value)


def _merge_list(
    target: list[Any], patch: list[Any], rule: ListRule, directives: tuple[list[Any], list[Any]]
) -> list[Any]:
    removed, order = directives
    if not rule.merge_key:
        gone = set(map(_hashable, removed))
        kept = [item for item in target if _hashable(item) not in gone]
        once: dict[str, Any] = {}
        for item in (*kept, *patch):
            once.setdefault(_hashable(item), item)
        merged = list(once.values())
        return _ordered(merged, target, order or patch, identity=lambda item: item)
    for item in (*target, *patch):
        if not isinstance(item, dict):
            raise StrategicPatchError(f"the list merges by {rule.merge_key!r}: its items are objects, not {item!r}")
    if any(item == {DIRECTIVE: "replace"} for item in patch):
        return [_without_directives(item) for item in patch if item != {DIRECTIVE: "replace"}]
    merged = _merge_items(target, patch, rule)
    desired = [_key(item, rule) for item in order or patch]
    return _ordered(merged, target, desired, identity=lambda item: item.get(rule.merge_key))


def _merge_items(target: list[Any], patch: list[Any], rule: ListRule) -> list[Any]:
    """Items of a list by merge key: deletions come first, then the first item of a key is merged, or one is added."""
    deleted = {_hashable(_key(change, rule)) for change in patch if change.get(DIRECTIVE) == "delete"}
    merged = [item for item in target if _hashable(item.get(rule.merge_key)) not in deleted]
    places = _first_places(item.get(rule.merge_key) for item in merged)
    for change in patch:
        if change.get(DIRECTIVE) == "delete":
            continue
        key = _hashable(_key(change, rule))
        if key in places:
            place = places[key]
            merged[place] = _merge_object(merged[place], change, rule.items)
        else:
            places[key] = len(merged)
            merged.append(_merge_object({}, change, rule.items))
    return merged


def _ordered(merged: list[Any], target: list[Any], order: Sequence[Any], identity: Any) -> list[Any]:
    """Items in the desired order, and among them those that it does not name, in their live order.

    One of these comes before the first named item that it was before in the live list; what is new in the list is
    before it (apimachinery pkg/util/strategicpatch/patch.go, mergeSortedSlice).
    """
    place = _first_places(order)
    live = _first_places(map(identity, target))
    keys = {id(item): _hashable(identity(item)) for item in merged}
    named = sorted((item for item in merged if keys[id(item)] in place), key=lambda item: place[keys[id(item)]])
    unnamed = [item for item in merged if keys[id(item)] not in place]
    if unknown := [item for item in unnamed if keys[id(item)] not in live]:
        missing = identity(unknown[0])
        raise StrategicPatchError(f"{SET_ORDER}<list> must name every item that the patch adds: {missing!r} is missing")
    others = deque(sorted(unnamed, key=lambda item: live[keys[id(item)]]))
    result: list[Any] = []
    for item in named:
        position = live.get(keys[id(item)], -1)
        while others and live[keys[id(others[0])]] < position:
            result.append(others.popleft())
        result.append(item)
    return [*result, *others]


def _first_places(keys: Iterable[Any]) -> dict[str, int]:
    """By key its first place: of items with one key, upstream's search finds the first."""
    found: dict[str, int] = {}
    for position, key in enumerate(keys):
        found.setdefault(_hashable(key), position)
    return found


def _retained(target: Object, patch: Object) -> Object:
    """A copy of the target with only the keys that `$retainKeys` lists, where it is given."""
    keep = patch.get(RETAIN_KEYS)
    if keep is None:
        return dict(target)
    if not isinstance(keep, list):
        raise StrategicPatchError(f"{RETAIN_KEYS} is a list of names, not {keep!r}")
    return {key: value for key, value in target.items() if key in keep}


def _list_directive(patch: Object, name: str) -> list[Any]:
    value = patch.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise StrategicPatchError(f"{name} is a list, not {value!r}")
    return value


def _key(item: Any, rule: ListRule) -> Any:
    if not isinstance(item, dict) or rule.merge_key not in item:
        raise StrategicPatchError(f"an item of the patch has no {rule.merge_key!r}, by which its list merges")
    return item[rule.merge_key]


def _plain_name(key: str) -> str:
    """The property that a key of a patch concerns."""
    return key.removeprefix(DELETE_FROM_LIST).removeprefix(SET_ORDER)


def _without_directives(value: Any) -> Any:
    """A value taken over whole: nulls and directives inside it are not data."""
    if isinstance(value, dict):
        return {
            key: _without_directives(item)
            for key, item in value.items()
            if item is not None and not key.startswith((DIRECTIVE, RETAIN_KEYS, DELETE_FROM_LIST, SET_ORDER))
        }
    return [_without_directives(item) for item in value] if isinstance(value, list) else value


def _hashable(key: Any) -> str:
    return f"{type(key).__name__}:{key}"
