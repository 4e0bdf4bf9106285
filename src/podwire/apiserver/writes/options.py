"""Parameters of a write, from its query and body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base.encoding import encode
from podwire.apiserver.bodies.duplicates import Duplicate
from podwire.apiserver.bodies.media_types import STRATEGIC_MERGE_PATCH
from podwire.apiserver.bodies.reader import media_type, read_json

if TYPE_CHECKING:
    from podwire.apiserver.base.authentication import User


class SentPatch(msgspec.Struct, frozen=True):
    """A patch as it came."""

    body: bytes
    content_type: str

    def shown(self, changed: dict[str, Any]) -> str:
        """What the refusal shows of it; `changed` is what it made of the object."""
        if media_type(self.content_type) == STRATEGIC_MERGE_PATCH:
            return go_text(read_json(self.body))
        return encode(changed).decode()


class WriteOptions(msgspec.Struct, frozen=True, gc=False):
    """Parameters of a write. `field_validation` is Strict, Warn or Ignore; no `user` is the server itself.

    `author` and `subresource` are recorded in `managedFields`; `force` takes fields from other managers;
    `duplicates` are the fields that are twice in the body; `patch` is the body of a PATCH, for its refusal.
    """

    dry_run: bool = False
    field_validation: str = "Warn"
    user: User | None = None
    author: str = "kube-apiserver"
    subresource: str = ""
    force: bool = False
    duplicates: tuple[Duplicate, ...] = ()
    patch: SentPatch | None = None


def go_text(value: Any) -> str:
    """A JSON value as Go's `%+v` prints it: `map[a:1 b:[x y] c:<nil>]`, keys in order."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case dict():
            return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(go_text, value))}]"
        case _:
            return str(value)
