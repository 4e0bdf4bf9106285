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
    """The values in which one check found nothing; the oldest are dropped first.

    `after`: another check, which has seen each value just before. Its digest serves this check too, so that a write
    encodes the value once; the value must not change between the two.
    """

    def __init__(self, capacity: int = CAPACITY, after: ValidationCache | None = None) -> None:
        self._capacity = capacity
        self._after = after
        self._clean: dict[bytes, None] = {}
        self._last: tuple[Any, bytes] = (None, b"")

    def check(self, value: Any, find: Callable[[], Iterable[FindingT]]) -> list[FindingT]:
        """Return what `find` finds in a JSON value; its result must depend on nothing but the value."""
        digest = self._digest(value)
        if digest in self._clean:
            return []
        found = list(find())
        if not found:
            self._keep(digest)
        return found

    def take_digest(self, value: Any) -> bytes:
        """Return the digest of the value that was checked last, once; empty when it is another one."""
        seen, digest = self._last
        self._last = (None, b"")
        return digest if seen is value else b""

    def _digest(self, value: Any) -> bytes:
        known = b"" if self._after is None else self._after.take_digest(value)
        digest = known or blake2b(encode(value), digest_size=_DIGEST_BYTES).digest()
        self._last = (value, digest)
        return digest

    def _keep(self, digest: bytes) -> None:
        if len(self._clean) >= self._capacity:
            del self._clean[next(iter(self._clean))]
        self._clean[digest] = None
