"""Request bodies: bytes to JSON values, within limits."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.apiserver.base import status
from podwire.apiserver.base.encoding import decode, encode
from podwire.apiserver.bodies.protobuf import envelope
from podwire.apiserver.bodies.protobuf.wire import WireError
from podwire.http.limits import LARGEST_BODY

Object = dict[str, Any]

DEEPEST = 100
"""Levels of nesting. Real objects have about 20."""

JSON_TYPES = ("application/json",)
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml")
OBJECT_TYPES = (*JSON_TYPES, *YAML_TYPES, envelope.MEDIA_TYPE)


def media_type(content_type: str) -> str:
    """The media type without its parameters; JSON where none is given."""
    return content_type.partition(";")[0].strip().lower() or "application/json"


def read_object(body: bytes, content_type: str) -> Object:
    """One object of a POST, PUT or DELETE; raises StatusError 400, 413 or 415."""
    kind = media_type(content_type)
    if kind not in OBJECT_TYPES:
        raise status.unsupported_media_type(kind, OBJECT_TYPES)
    if kind == envelope.MEDIA_TYPE:
        return read_protobuf(body)
    value = read_yaml(body) if kind in YAML_TYPES else read_json(body)
    if not isinstance(value, dict):
        raise status.bad_request("the body is not one object: send a JSON object with apiVersion and kind")
    return value


def read_json(body: bytes) -> Any:
    """A JSON value within the limits; raises StatusError 400 or 413."""
    _check_size(body)
    try:
        value = decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise status.bad_request(f"the body is not valid JSON: {error}") from error
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        _check_shape(value)
    return value


def read_yaml(body: bytes) -> Any:
    """A YAML document within the limits, with JSON's types only; raises StatusError 400 or 413.

    Its aliases are measured before they are written out (CVE-2019-11253).
    """
    _check_size(body)
    from podwire.apiserver.bodies import yaml_text

    try:
        value = yaml_text.read(body)
        _check_shape(value)
        return decode(msgspec.json.encode(value))
    except yaml_text.TooMuchError as error:
        raise status.too_large(str(error)) from error
    except (yaml_text.YamlError, msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise status.bad_request(f"the body is not valid YAML: {error}") from error


def read_protobuf(body: bytes) -> Object:
    """An object of a built-in kind within the limits; raises StatusError 400 or 413."""
    _check_size(body)
    try:
        value = envelope.read(body)
    except WireError as error:
        raise status.bad_request(f"the body is not valid protobuf: {error}") from error
    _check_shape(value)
    return value


def is_json(configuration: bytes) -> bool:
    """Whether a configuration to apply, which may come as YAML, is JSON: kubectl sends it so, and it costs a tenth."""
    return configuration.lstrip()[:1] == b"{"


def without_nulls(value: Any) -> Any:
    """A value without the nulls inside it: an absent field and a null one are the same in Kubernetes."""
    return _without_nulls(value) if b"null" in encode(value) else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def _check_size(body: bytes) -> None:
    if len(body) > LARGEST_BODY:
        raise status.too_large(f"the body has {len(body)} bytes, more than the limit of {LARGEST_BODY}")


def _check_shape(value: Any) -> None:
    """Raises StatusError 400 for too deep nesting, and 413 for YAML whose aliases expand to more than the limit.

    A value that is referred to many times is measured once.
    """
    if _measure(value, 1, {})[0] > LARGEST_BODY:
        raise status.too_large("the body expands to more than the limit: write fewer YAML aliases")


def _measure(value: Any, level: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """About how many bytes a value has written out, and how many levels; `level` is its depth."""
    if not isinstance(value, dict | list):
        return (len(value) if isinstance(value, str) else 1), 0
    found = known.get(id(value))
    if level + (found[1] if found else 0) > DEEPEST:
        raise status.bad_request(f"the body is nested deeper than {DEEPEST} levels")
    if found is None:
        parts = value.values() if isinstance(value, dict) else value
        measured = [_measure(part, level + 1, known) for part in parts]
        found = 1 + sum(size for size, _ in measured), 1 + max((height for _, height in measured), default=0)
        known[id(value)] = found
    return found
