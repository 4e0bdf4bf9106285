"""Messages whose JSON is not an object of their fields: times, quantities, numbers or texts, and raw JSON.

Source: k8s.io/apimachinery `meta/v1/time_proto.go`, `meta/v1/micro_time_proto.go`, `util/intstr`, `api/resource`,
`runtime/types.go`, `meta/v1/fields_proto.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from podwire.apiserver.bodies.protobuf import wire
from podwire.apiserver.bodies.protobuf.wire import WireError

Object = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"


def time(data: bytes) -> str | None:
    """A `Time`, to the second, as RFC 3339; None for Go's zero time."""
    moment = _moment(data)
    return None if moment is None else f"{moment.isoformat()[:19]}Z"


def micro_time(data: bytes) -> str | None:
    """A `MicroTime`, to the microsecond; None for Go's zero time."""
    moment = _moment(data)
    return None if moment is None else f"{moment.isoformat(timespec='microseconds')[:26]}Z"


def _moment(data: bytes) -> datetime | None:
    """A timestamp {seconds 1, nanoseconds 2}; None for an empty one."""
    if not data:
        return None
    parts = dict(wire.fields(data))
    seconds, nanoseconds = (wire.signed(wire.number(parts.get(number, 0))) for number in (1, 2))
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    except OverflowError as error:
        raise WireError(f"{seconds} seconds are no time between the years 1 and 9999") from error
    return moment.replace(tzinfo=UTC)  # isoformat() writes years before 1000 with their zeros, strftime() does not


def int_or_string(data: bytes) -> int | str:
    """An `IntOrString` {kind 1: 0 number, 1 text; number 2; text 3}."""
    parts = dict(wire.fields(data))
    if wire.number(parts.get(1, 0)):
        return wire.text(parts.get(3, b""))
    return wire.signed(wire.number(parts.get(2, 0)))


def quantity(data: bytes) -> str:
    """A `Quantity` {text 1}."""
    return wire.text(dict(wire.fields(data)).get(1, b"")) or "0"


def raw_json(data: bytes) -> Any:
    """A `RawExtension` or `FieldsV1` {JSON 1}; None for an empty one."""
    content = wire.content(dict(wire.fields(data)).get(1, b""))
    if not content:
        return None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"an embedded object is not valid JSON: {error}") from error


FORMS: dict[str, Callable[[bytes], Any]] = {
    f"{_META}.Time": time,
    f"{_META}.MicroTime": micro_time,
    f"{_META}.FieldsV1": raw_json,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": quantity,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": raw_json,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": int_or_string,
    f"{_EXTENSIONS}.JSON": raw_json,
}
"""How each is read, by definition."""


def _schema_or_list(message: Object) -> Any:
    return message.get("jSONSchemas") or message.get("schema")


def _schema_or_truth(message: Object) -> Any:
    return message["schema"] if "schema" in message else message.get("allows", False)


def _schema_or_texts(message: Object) -> Any:
    return message.get("property") or message.get("schema")


CHOICES: dict[str, Callable[[Object], Any]] = {
    f"{_EXTENSIONS}.JSONSchemaPropsOrArray": _schema_or_list,
    f"{_EXTENSIONS}.JSONSchemaPropsOrBool": _schema_or_truth,
    f"{_EXTENSIONS}.JSONSchemaPropsOrStringArray": _schema_or_texts,
}
"""Messages of which JSON has one field's value alone, by definition (`apiextensions/v1/marshal.go`)."""
