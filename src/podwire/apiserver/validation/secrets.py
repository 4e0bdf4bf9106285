"""Secrets and the content of their types. Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateSecret."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from podwire.apiserver.base import field_errors, formats
from podwire.apiserver.validation import records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  (a type, no secret)
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"

_JSON_KEYS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_HIDDEN = "<secret contents redacted>"


def validate(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a Secret whose stringData was folded into data."""
    data = obj["data"]
    yield from records.keys(data)
    if records.decoded_size(data) > records.DATA_LIMIT:
        yield field_errors.too_long("data", records.DATA_LIMIT)
    yield from _content(obj, data)
    if old is not None and obj["type"].value != old["type"].value:
        yield obj["type"].invalid(formats.IMMUTABLE)
    yield from records.frozen(obj, old, ("data",))


def _content(obj: Field, data: Field) -> Iterator[Cause]:
    """Check the content that the type needs. A basic-auth Secret has a name or a password, though they may be empty."""
    held = data.value or {}
    match obj["type"].text:
        case kind if kind == SERVICE_ACCOUNT_TOKEN:
            account = obj["metadata"]["annotations"].key(SERVICE_ACCOUNT_NAME)
            if not account:
                yield account.required()
        case kind if kind in _JSON_KEYS:
            yield from _json(data.key(_JSON_KEYS[kind]))
        case "kubernetes.io/basic-auth":
            if not {"username", "password"} & held.keys():
                yield data.key("username").required()
                yield data.key("password").required()
        case "kubernetes.io/ssh-auth":
            if not held.get("ssh-privatekey"):
                yield data.key("ssh-privatekey").required()
        case "kubernetes.io/tls":
            yield from (data.key(name).required() for name in ("tls.crt", "tls.key") if name not in held)
        case _:
            return


def _json(value: Field) -> Iterator[Cause]:
    if not value.given:
        yield value.required()
        return
    try:
        msgspec.json.decode(base64.b64decode(value.text), type=dict)
    except (ValueError, msgspec.MsgspecError) as error:
        yield field_errors.invalid(value.path, _HIDDEN, str(error))
