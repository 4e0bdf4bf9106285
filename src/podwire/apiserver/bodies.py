"""Request bodies: bytes to JSON values, within limits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver import status
from podwire.apiserver.revisions import decode

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

LARGEST_BODY = 3 * 1024 * 1024
"""Bytes (k8s.io/apiserver `pkg/server/config.go`)."""

DEEPEST = 100
"""Levels of nesting. Real objects have about 20."""

MOST_ALIASES = 100
"""YAML anchors used again: small texts must not grow without end (CVE-2019-11253)."""

JSON_TYPES = ("application/json",)
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")
OBJECT_TYPES = (*JSON_TYPES, *YAML_TYPES)


def media_type(content_type: str) -> str:
    """The media type without its parameters; JSON where none is given."""
    return content_type.partition(";")[0].strip().lower() or "application/json"


def read_object(body: bytes, content_type: str) -> Object:
    """One object of a POST, PUT or DELETE; raises StatusError 400, 413 or 415."""
    kind = media_type(content_type)
    if kind not in OBJECT_TYPES:
        raise status.unsupported_media_type(kind, OBJECT_TYPES)
    value = read_yaml(body) if kind in YAML_TYPES else read_json(body)
    if not isinstance(value, dict):
        raise status.bad_request("the body is not one object: send a JSON object with apiVersion and kind")
    return value


def read_json(body: bytes) -> Any:
    """A JSON value within the limits; raises StatusError 400 or 413."""
    _check_size(body)
    try:
        value = decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise status.bad_request(f"the body is not valid JSON: {error}") from error
    _check_depth(value)
    return value


def read_yaml(body: bytes) -> Any:
    """A YAML document within the limits, with JSON's types only; raises StatusError 400 or 413."""
    _check_size(body)
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if len(re.findall(rb"(?<!\S)\*[A-Za-z0-9_-]", body)) > MOST_ALIASES:
        raise status.too_large(f"the body has more than {MOST_ALIASES} YAML aliases: write the values out")
    try:
        value = yaml.load(body, Loader=loader)  # noqa: S506  (a safe loader)
        _check_depth(value)
        _check_expansion(value)
        return decode(msgspec.json.encode(value))
    except (yaml.YAMLError, msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise status.bad_request(f"the body is not valid YAML: {error}") from error


def without_nulls(value: Any) -> Any:
    """A value without the nulls inside it: an absent field and a null one are the same in Kubernetes."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def _check_size(body: bytes) -> None:
    if len(body) > LARGEST_BODY:
        raise status.too_large(f"the body has {len(body)} bytes, more than the limit of {LARGEST_BODY}")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [child for part in level for child in _children(part) if isinstance(child, dict | list)]
        if not level:
            return
        if len(level) > LARGEST_BODY:
            raise status.too_large("the body expands to too many values: write fewer YAML aliases")
    raise status.bad_request(f"the body is nested deeper than {DEEPEST} levels")


def _check_expansion(value: Any) -> None:
    """Aliases make one value appear at many places: count the places before they are written out."""
    budget, stack = LARGEST_BODY, [value]
    while stack:
        part = stack.pop()
        budget -= 1 + (len(part) if isinstance(part, str) else 0)
        if budget < 0:
            raise status.too_large("the body expands to more than the limit: write fewer YAML aliases")
        stack.extend(_children(part))


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
