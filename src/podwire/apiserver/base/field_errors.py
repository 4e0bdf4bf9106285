"""Field errors: why an object is refused, in upstream's wording.

Source: k8s.io/apimachinery `util/validation/field/errors.go`; `api/errors/errors.go` NewInvalid.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Cause(msgspec.Struct, frozen=True):
    """One entry of `details.causes` of a 422 answer; the message does not repeat the field."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def required(field: str, detail: str = "") -> Cause:
    """A value must be given."""
    return Cause(field, "FieldValueRequired", _with_detail("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> Cause:
    """A value is wrong for the reason in `detail`."""
    return Cause(field, "FieldValueInvalid", _with_detail(f"Invalid value: {_shown(value)}", detail))


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    """A value is not one of the known ones, which are listed in the order given."""
    known = ", ".join(json.dumps(choice) for choice in supported)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {_shown(value)}: supported values: {known}")


def duplicate(field: str, value: Any) -> Cause:
    """A value must be unique and occurs more than once."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")


def forbidden(field: str, detail: str) -> Cause:
    """A value is not allowed here."""
    return Cause(field, "FieldValueForbidden", _with_detail("Forbidden", detail))


def not_found(field: str, value: Any) -> Cause:
    """A value refers to something that is not there."""
    return Cause(field, "FieldValueNotFound", f"Not found: {_shown(value)}")


def too_long(field: str, limit: int) -> Cause:
    """A text has more bytes than allowed."""
    return Cause(field, "FieldValueTooLong", f"Too long: may not be more than {limit} bytes")


def too_many(field: str, count: int, limit: int) -> Cause:
    """A list has more items than allowed."""
    return Cause(field, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def summary(qualified_kind: str, name: str, causes: Sequence[Cause]) -> str:
    """The message of the whole 422 Status: `Service "web" is invalid: spec.ports: Required value`."""
    texts = list(dict.fromkeys(str(cause) for cause in causes))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return f"{qualified_kind} {json.dumps(name)} is invalid: {joined}"


def _with_detail(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def _shown(value: Any) -> str:
    """A value as Go's field errors print it: texts quoted, everything else as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
