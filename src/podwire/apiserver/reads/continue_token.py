"""Continue tokens: where the next page of a list begins, and of which moment.

Opaque to clients; hostile input here. Source: k8s.io/apiserver `pkg/storage/continue.go`.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from podwire.apiserver.base import status

LONGEST_TOKEN = 2048


class Position(msgspec.Struct, frozen=True):
    """After which object the next page begins. `version` 0 means the present: the list is no longer one moment's."""

    version: int
    namespace: str
    name: str

    def token(self) -> str:
        """The position as text."""
        body = msgspec.json.encode({"v": "podwire/1", "rv": self.version, "after": [self.namespace, self.name]})
        return base64.urlsafe_b64encode(body).decode().rstrip("=")


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    v: str
    rv: int
    after: tuple[str, str]


def position(token: str) -> Position:
    """The position of a token; raises StatusError 400 where it is none of ours."""
    if len(token) > LONGEST_TOKEN:
        raise _invalid()
    try:
        padded = token + "=" * (-len(token) % 4)
        found = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise _invalid() from error
    namespace, name = found.after
    if found.v != "podwire/1" or found.rv < 0 or not name or any("/" in part or "\0" in part for part in found.after):
        raise _invalid()
    return Position(found.rv, namespace, name)


def _invalid() -> status.StatusError:
    return status.bad_request("invalid continue token: start the list again without it")
