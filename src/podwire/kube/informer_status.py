"""How well an informer follows its kind: counters for `/metrics`, and rate-limited log lines with the remedy."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from podwire.kube.client import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.kube.kinds import Kind
    from podwire.kube.meta import NamespacedName
    from podwire.kube.watch import Rejected

log = logging.getLogger(__name__)

QUIET_SECONDS = 10.0
"""A server that restarts is away for less; longer trouble is logged."""
REPEAT_SECONDS = 60.0


class InformerStatus:
    """Counts what happens to one informer. `clock` is monotonic, in seconds.

    Attributes:
        lists: full lists taken.
        failures: streams and lists that did not end in order.
        undecodable: how many objects cannot be decoded now.

    """

    def __init__(self, kind: Kind[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.lists = 0
        self.failures = 0
        self.undecodable = 0
        group = kind.api_version.rpartition("/")[0]
        self.resource = f"{kind.resource}.{group}" if group else kind.resource
        self._clock = clock
        self._heard: float | None = None
        self._failing_since: float | None = None
        self._logged: float | None = None
        self._rejected: dict[NamespacedName, str] = {}

    @property
    def age(self) -> float | None:
        """Seconds since the server last sent anything of this kind, a bookmark too; None before the first list."""
        return None if self._heard is None else self._clock() - self._heard

    def heard(self) -> None:
        """A watch stream sent something: the stream works."""
        self._heard = self._clock()
        if self._failing_since is not None:
            self.well()

    def listed(self) -> None:
        """A full list was taken. It ends no trouble but that of the first one: a watch may fail after each list."""
        self.lists += 1
        self._heard = self._clock()
        if self.lists == 1:
            self.well()

    def well(self) -> None:
        """The stream works: trouble, if there was any, is over."""
        if self._logged is not None:
            log.info("%s: list and watch work again", self.resource)
        self._failing_since = self._logged = None

    def failed(self, error: Exception, delay: float) -> None:
        """A list or a stream ended with this error; the next try comes after `delay` seconds."""
        self.failures += 1
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        forbidden = isinstance(error, ApiError) and error.code in {401, 403}
        overdue = self._logged is None or now - self._logged >= REPEAT_SECONDS
        if overdue and (forbidden or now - self._failing_since >= QUIET_SECONDS):
            self._logged = now
            log.error("%s: %s", self.resource, _explained(error))
        else:
            log.debug("%s: %r; again in %.2f s", self.resource, error, delay)

    def rejected(self, rejections: Iterable[Rejected]) -> None:
        """These objects, and no others, cannot be decoded now; each state of one is logged once."""
        found = {one.key: one for one in rejections}
        for key, one in found.items():
            if self._rejected.get(key) != one.version:
                log.error("%s %s cannot be decoded and is skipped: %s", self.resource, key, one.reason)
        self._rejected = {key: one.version for key, one in found.items()}
        self.undecodable = len(found)


def _explained(error: Exception) -> str:
    """The error with its remedy, where it is one of access."""
    if not isinstance(error, ApiError):
        return f"the API server cannot be followed: {error!r}"
    if error.code == 403:
        return f"{error}: nothing of it is known until this account may get, list and watch it"
    if error.code == 401:
        return f"the API server does not accept the credentials: {error}: check the token or the client certificate"
    return f"the API server refuses list or watch: {error.code} {error.reason}: {error}"
