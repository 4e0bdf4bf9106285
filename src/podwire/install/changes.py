"""What differs between two sets of manifests, a line for each field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from podwire.install.manifests.manifest import VERSION_LABEL, Manifest

_ABSENT = object()


def changes(old: Iterable[Manifest], new: Iterable[Manifest]) -> Iterator[str]:
    """Return one line for each object that is new or removed, and for each field that changes."""
    before = {(one.kind.kind, one.key): one for one in old}
    after = {(one.kind.kind, one.key): one for one in new}
    for name, one in after.items():
        if name not in before:
            yield f"create {one}"
            continue
        for path, was, will in _differences("", before[name].body, one.body):
            if VERSION_LABEL not in path:
                yield f"change {one}: {path}: {_text(was)} -> {_text(will)}"
    for name, one in before.items():
        if name not in after:
            yield f"delete {one}"


def removed(old: Iterable[Manifest], new: Iterable[Manifest]) -> list[Manifest]:
    """The objects that the new set lacks, in the order in which they are deleted."""
    kept = {(one.kind.kind, one.key) for one in new}
    return [one for one in reversed(list(old)) if (one.kind.kind, one.key) not in kept]


def _differences(path: str, was: Any, will: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, dict) and isinstance(will, dict):
        for name in dict.fromkeys((*was, *will)):
            yield from _differences(f"{path}.{name}" if path else name, was.get(name, _ABSENT), will.get(name, _ABSENT))
    elif _named(was) and _named(will):
        own = {one["name"]: one for one in was}
        other = {one["name"]: one for one in will}
        for name in dict.fromkeys((*own, *other)):
            yield from _differences(f"{path}[{name}]", own.get(name, _ABSENT), other.get(name, _ABSENT))
    elif _words(was) and _words(will):
        for word in (*(word for word in was if word not in will), *(word for word in will if word not in was)):
            yield path, *((word, _ABSENT) if word in was else (_ABSENT, word))
    elif was != will:
        yield path, was, will


def _named(value: Any) -> bool:
    """Whether it is a list of objects with names, such as containers."""
    return isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value)


def _words(value: Any) -> bool:
    """Whether it is a list of texts, such as arguments."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _text(value: Any) -> str:
    return "nothing" if value is _ABSENT else str(value)
