r"""The envelope around an object in Kubernetes' protobuf: which kind it is, then its message.

    k8s\0  then `runtime.Unknown`: typeMeta 1 {apiVersion 1, kind 2}, raw 2, contentEncoding 3, contentType 4

Source: k8s.io/apimachinery `runtime/serializer/protobuf/protobuf.go`, `runtime/generated.proto`.
"""

from __future__ import annotations

from typing import Any

from podwire.apiserver.bodies.protobuf import wire
from podwire.apiserver.bodies.protobuf.decoder import decode
from podwire.apiserver.bodies.protobuf.wire import WireError
from podwire.apiserver.kinds import schema

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
PREFIX = b"k8s\0"

_OF_EVERY_GROUP = {"DeleteOptions": "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"}
"""Kinds that every group has."""


def read(body: bytes) -> dict[str, Any]:
    """The object in an envelope, as JSON values. Raises WireError."""
    if not body.startswith(PREFIX):
        raise WireError("it does not begin with the bytes k8s and 0")
    parts = dict(wire.fields(body[len(PREFIX) :]))
    names = dict(wire.fields(wire.content(parts.get(1, b""))))
    api_version, kind = (wire.text(names.get(number, b"")) for number in (1, 2))
    if encoding := wire.text(parts.get(3, b"")):
        raise WireError(f"its content is encoded as {encoding!r}; send it plain")
    raw = wire.content(parts.get(2, b""))
    try:
        message = decode(_definition(api_version, kind), raw)
    except LookupError as error:
        raise WireError(f"{api_version} {kind} cannot be read in this form; send it as JSON") from error
    return {"apiVersion": api_version, "kind": kind, **message}


def _definition(api_version: str, kind: str) -> str:
    try:
        return _OF_EVERY_GROUP.get(kind) or schema.definition_name(api_version, kind)
    except LookupError as error:
        why = (
            f'no kind "{kind}" is registered for version "{api_version}"; kinds that are not built in are sent as JSON'
        )
        raise WireError(why) from error
