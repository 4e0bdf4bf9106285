"""Messages of the SPIFFE Workload API about tokens (JWT-SVID). Pure.

Sources: workload.proto of github.com/spiffe/go-spiffe v2 (SPIFFE_Workload_API.md); protobuf's "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Struct

from podwire.mesh.identity.spiffe import SCHEME
from podwire.mesh.node.workload_messages import field

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types."""
_LONGEST_VARINT = 10


class MessageError(ValueError):
    """Bytes are no message. The text has the reason."""


class SvidRequest(msgspec.Struct, frozen=True):
    """A JWTSVIDRequest: for whom the token is; the identity is empty where the caller has no preference."""

    audiences: tuple[str, ...] = ()
    id: str = ""


class ValidateRequest(msgspec.Struct, frozen=True):
    """A ValidateJWTSVIDRequest."""

    audience: str = ""
    token: str = ""


def svid_request(body: bytes) -> SvidRequest:
    """Return what is requested. Raises MessageError."""
    texts = list(_texts(body))
    audiences = tuple(text for number, text in texts if number == 1)
    return SvidRequest(audiences, next((text for number, text in reversed(texts) if number == 2), ""))


def validate_request(body: bytes) -> ValidateRequest:
    """Return what is to be verified. Raises MessageError."""
    texts = dict(_texts(body))
    return ValidateRequest(texts.get(1, ""), texts.get(2, ""))


def svids(spiffe_id: str, token: str) -> bytes:
    """Return a JWTSVIDResponse with one token."""
    return field(1, field(1, spiffe_id.encode()) + field(2, token.encode()))


def bundles(trust_domain: str, keys: str) -> bytes:
    """Return a JWTBundlesResponse: the keys (JSON Web Key Set) by trust domain."""
    return field(1, field(1, f"{SCHEME}{trust_domain}".encode()) + field(2, keys.encode()))


def validated(spiffe_id: str, claims: dict[str, Any]) -> bytes:
    """Return a ValidateJWTSVIDResponse."""
    values = Struct()
    values.update(claims)
    return field(1, spiffe_id.encode()) + field(2, values.SerializeToString())


def _texts(body: bytes) -> Iterator[tuple[int, str]]:
    """Yield the fields that are texts, by number. Others are passed over, as protobuf demands."""
    position = 0
    while position < len(body):
        tag, position = _varint(body, position)
        size, position = _size(tag & 7, body, position)
        if position + size > len(body):
            raise MessageError("a field is longer than the message")
        if tag & 7 == _BYTES:
            try:
                yield tag >> 3, body[position : position + size].decode()
            except UnicodeDecodeError:
                raise MessageError("a text is not UTF-8") from None
        position += size


def _size(kind: int, body: bytes, position: int) -> tuple[int, int]:
    """Return the length of a field's content, and where that begins."""
    if kind == _BYTES:
        return _varint(body, position)
    if kind == _VARINT:
        return 0, _varint(body, position)[1]
    if kind in {_FIXED64, _FIXED32}:
        return 8 if kind == _FIXED64 else 4, position
    raise MessageError(f"wire type {kind} is unknown")


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(body[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise MessageError("a number does not end")
