"""What was found right lately is not judged again: the pods of one owner have the same spec, labels and owners.

Only digests are kept, so clients that send much cannot fill the memory.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.apiserver.base.field_errors import Cause

MOST_KNOWN = 1024
"""Values that one check remembers."""

_DIGEST_BYTES = 16


class Memory:
    """The values that one check found right; the oldest are forgotten first."""

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._right: dict[bytes, None] = {}

    def check(self, value: Any, find: Callable[[], Iterable[Cause]]) -> list[Cause]:
        """What is wrong with a JSON value. `find` tells it, which must depend on nothing but the value."""
        digest = blake2b(encode(value), digest_size=_DIGEST_BYTES).digest()
        if digest in self._right:
            return []
        found = list(find())
        if not found:
            self._remember(digest)
        return found

    def _remember(self, digest: bytes) -> None:
        if len(self._right) >= self._most:
            del self._right[next(iter(self._right))]
        self._right[digest] = None
