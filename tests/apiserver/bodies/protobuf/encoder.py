"""JSON values to messages: the other direction, for tests only. Writes as Go does: in the order of the numbers."""

from __future__ import annotations

import base64
import json
import math
import struct
from datetime import datetime
from typing import Any

from podwire.apiserver.bodies.protobuf import messages
from podwire.apiserver.bodies.protobuf.envelope import PREFIX
from podwire.apiserver.bodies.protobuf.messages import Field, Holds, Shape
from podwire.apiserver.kinds import schema


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def numeric(number: int, value: int) -> bytes:
    """A field with a number."""
    return varint(number << 3) + varint(value)


def field(number: int, content: bytes | str) -> bytes:
    """A field with bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return PREFIX + field(1, field(1, api_version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def body(obj: dict[str, Any]) -> bytes:
    """An object of a built-in kind, as a typed Go client sends it."""
    definition = schema.definition_name(obj["apiVersion"], obj["kind"])
    return envelope(obj["apiVersion"], obj["kind"], encode(definition, obj))


def encode(definition: str, obj: dict[str, Any]) -> bytes:
    found = b""
    for number, one in sorted(messages.message(definition).items()):
        if not one.name:
            found += field(number, encode(one.message, obj))
        elif one.name in obj:
            found += _occurrences(number, one, obj[one.name])
        elif one.zero_is_absent:
            found += _single(number, one, "" if one.holds is Holds.TEXT else 0)
    return found


def _occurrences(number: int, one: Field, value: Any) -> bytes:
    if one.shape is Shape.LIST:
        return b"".join(_single(number, one, item) for item in value)
    if one.shape is Shape.MAP:
        return b"".join(field(number, field(1, key) + _single(2, one, item)) for key, item in value.items())
    return _single(number, one, value)


def _single(number: int, one: Field, value: Any) -> bytes:
    match one.holds:
        case Holds.TRUTH | Holds.INTEGER:
            return numeric(number, int(value))
        case Holds.DOUBLE:
            return varint(number << 3 | 1) + struct.pack("<d", float(value))
        case Holds.TEXT:
            return field(number, value)
        case Holds.BYTES:
            return field(number, base64.b64decode(value))
        case Holds.TEXTS:
            return field(number, b"".join(field(1, item) for item in value))
        case Holds.MESSAGE:
            return field(number, _message(one.message, value))


def _message(definition: str, value: Any) -> bytes:
    match definition.rpartition(".")[2]:
        case "IntOrString":
            whole = isinstance(value, int)
            return numeric(1, not whole) + numeric(2, value if whole else 0) + field(3, "" if whole else value)
        case "Quantity":
            return field(1, value)
        case "Time" | "MicroTime":
            moment = datetime.fromisoformat(value)
            return numeric(1, math.floor(moment.timestamp())) + numeric(2, moment.microsecond * 1000)
        case "JSONSchemaPropsOrBool" if isinstance(value, bool):
            return encode(definition, {"allows": value})
        case "JSONSchemaPropsOrBool":
            return encode(definition, {"allows": True, "schema": value})
        case "JSONSchemaPropsOrArray":
            return encode(definition, {"jSONSchemas": value} if isinstance(value, list) else {"schema": value})
        case "JSONSchemaPropsOrStringArray":
            return encode(definition, {"property": value} if isinstance(value, list) else {"schema": value})
        case "RawExtension" | "FieldsV1" | "JSON":
            return field(1, json.dumps(value))
        case _:
            return encode(definition, value)
