"""Messages to JSON values, by the table of field numbers.

Unknown numbers are skipped, as protobuf requires: a newer client may have more fields than this server.
"""

from __future__ import annotations

import base64
from typing import Any

from podwire.apiserver.bodies.protobuf import messages, wire
from podwire.apiserver.bodies.protobuf.forms import CHOICES, FORMS
from podwire.apiserver.bodies.protobuf.messages import Field, Holds, Shape
from podwire.apiserver.bodies.protobuf.wire import WireError

Object = dict[str, Any]

DEEPEST = 100
"""Levels of messages in messages. Real objects have about 15."""


_WHOLE = FORMS.keys() | CHOICES.keys()
"""Messages whose occurrences cannot be merged into one object."""


def decode(definition: str, data: bytes) -> Object:
    """A message of a definition as Go writes it in JSON, absent fields left out. Raises WireError."""
    found: Object = {}
    _fill(found, definition, data, 1)
    return found


def _fill(target: Object, definition: str, data: bytes, level: int) -> None:
    """Put a message's fields into an object. A message that comes in parts adds to what is there already."""
    if level > DEEPEST:
        raise WireError(f"the messages are nested deeper than {DEEPEST} levels")
    known = messages.message(definition)
    for number, value in wire.fields(data):
        if field := known.get(number):
            try:
                _put(target, field, value, level)
            except WireError as error:
                raise WireError(f"{field.name}: {error}" if field.name else str(error)) from error


def _put(target: Object, field: Field, value: int | bytes, level: int) -> None:
    match field.shape:
        case Shape.LIST:
            target.setdefault(field.name, []).extend(_items(field, value, level))
        case Shape.MAP:
            key, held = _entry(field, wire.content(value), level)
            target.setdefault(field.name, {})[key] = held
        case Shape.ONE if field.holds is Holds.MESSAGE and field.message not in _WHOLE:
            inner = target.setdefault(field.name, {}) if field.name else target
            _fill(inner, field.message, wire.content(value), level + 1)
        case _:
            held = _single(field, value, level)
            if held is None or (field.zero_is_absent and not held):
                target.pop(field.name, None)
            else:
                target[field.name] = held


def _items(field: Field, value: int | bytes, level: int) -> list[Any]:
    """The items that one occurrence of a repeated field brings: one, or packed numbers."""
    if not (isinstance(value, bytes) and field.holds in {Holds.INTEGER, Holds.TRUTH}):
        return [_single(field, value, level)]
    items, position = [], 0
    while position < len(value):
        number, position = wire.varint(value, position)
        items.append(_single(field, number, level))
    return items


def _entry(field: Field, data: bytes, level: int) -> tuple[str, Any]:
    """One entry of a map: key 1, value 2."""
    parts = dict(wire.fields(data))
    zero = 0 if field.holds in {Holds.INTEGER, Holds.TRUTH} else b""
    return wire.text(parts.get(1, b"")), _single(field, parts.get(2, zero), level)


def _single(field: Field, value: int | bytes, level: int) -> Any:
    match field.holds:
        case Holds.TRUTH:
            return wire.number(value) != 0
        case Holds.INTEGER:
            return wire.signed(wire.number(value))
        case Holds.DOUBLE:
            return wire.double(value)
        case Holds.TEXT:
            return wire.text(value)
        case Holds.BYTES:
            return base64.b64encode(wire.content(value)).decode()
        case Holds.TEXTS:
            return [wire.text(item) for number, item in wire.fields(wire.content(value)) if number == 1]
        case Holds.MESSAGE:
            if form := FORMS.get(field.message):
                return form(wire.content(value))
            inner: Object = {}
            _fill(inner, field.message, wire.content(value), level + 1)
            choose = CHOICES.get(field.message)
            return inner if choose is None else choose(inner)
