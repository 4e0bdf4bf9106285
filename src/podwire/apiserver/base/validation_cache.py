"""Values that passed a check lately are not checked again: the pods of one owner have the same spec, labels and owners.

Only digests are kept, so large requests cannot fill the memory.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from podwire.apiserver.base.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    FindingT = TypeVar("FindingT")

CAPACITY = 1024
"""Values that one cache keeps."""

_DIGEST_BYTES = 16


class ValidationCache:
    """The values in which one check found nothing; the oldest are dropped first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._clean: dict[bytes, None] = {}

    def check(self, value: Any, find: Callable[[], Iterable[FindingT]]) -> list[FindingT]:
        """Return what `find` finds in a JSON value; its result must depend on nothing but the value."""
        digest = blake2b(encode(value), digest_size=_DIGEST_BYTES).digest()
        if digest in self._clean:
            return []
        found = list(find())
        if not found:
            self._keep(digest)
        return found

    def _keep(self, digest: bytes) -> None:
        if len(self._clean) >= self._capacity:
            del self._clean[next(iter(self._clean))]
        self._clean[digest] = None
