"""How well an informer follows its kind: counters for `/metrics`, and rate-limited log lines with the remedy."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from podwire.kube.access_problem import AccessProblem, access_problem, resource_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.kube.kinds import Kind
    from podwire.kube.meta import NamespacedName
    from podwire.kube.watch import Rejected

log = logging.getLogger(__name__)

QUIET_SECONDS = 10.0
"""A server that restarts is away for less; longer trouble is logged."""
REFUSED_SECONDS = 5.0
"""An API server that has just started knows no roles for a second or two, and refuses what it allowed before."""
REPEAT_SECONDS = 60.0


class InformerStatus:
    """Counts what happens to one informer. `clock` is monotonic, in seconds.

    Attributes:
        lists: full lists taken.
        failures: streams and lists that did not end in order.
        undecodable: how many objects cannot be decoded now.
        problem: why the server cannot be followed now; None where it can.

    """

    def __init__(
        self, kind: Kind[Any], clock: Callable[[], float] = time.monotonic, role: str = "", name: str = ""
    ) -> None:
        self.lists = 0
        self.failures = 0
        self.undecodable = 0
        self.problem: AccessProblem | None = None
        self._report: Callable[[AccessProblem], None] | None = None
        self.resource = name or resource_name(kind)
        self._kind = kind
        self._role = role
        self._clock = clock
        self._last_received: float | None = None
        self._failing_since: float | None = None
        self._logged: float | None = None
        self._rejected: dict[NamespacedName, str] = {}

    @property
    def age(self) -> float | None:
        """Seconds since the server last sent anything of this kind, a bookmark too; None before the first list."""
        return None if self._last_received is None else self._clock() - self._last_received

    def report(self, listener: Callable[[AccessProblem], None]) -> None:
        """Call the listener with each problem that is logged, and now with one that was logged and still lasts."""
        self._report = listener
        if self.problem is not None and self._logged is not None:
            listener(self.problem)

    def received(self) -> None:
        """A watch stream sent something: the stream works."""
        self._last_received = self._clock()
        if self._failing_since is not None:
            self.well()

    def listed(self) -> None:
        """A full list was taken. It ends no trouble but that of the first one: a watch may fail after each list."""
        self.lists += 1
        self._last_received = self._clock()
        if self.lists == 1:
            self.well()

    def well(self) -> None:
        """The stream works: trouble, if there was any, is over."""
        if self._logged is not None:
            log.info("%s: list and watch work again", self.resource)
        self._failing_since = self._logged = self.problem = None

    def failed(self, error: Exception, delay: float) -> None:
        """A list or a stream ended with this error; the next try comes after `delay` seconds."""
        self.failures += 1
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        self.problem = access_problem(error, self._kind, self._role)
        overdue = self._logged is None or now - self._logged >= REPEAT_SECONDS
        if not overdue or now - self._failing_since < self._quiet(self.problem):
            log.debug("%s: %r; again in %.2f s", self.resource, error, delay)
            return
        self._logged = now
        log.error("%s", self.problem)
        if self._report is not None:
            self._report(self.problem)

    def _quiet(self, problem: AccessProblem) -> float:
        """Return for how many seconds trouble is none yet: not at all for a kind that was never readable."""
        if not problem.is_persistent:
            return QUIET_SECONDS
        return REFUSED_SECONDS if self.lists else 0.0

    def rejected(self, rejections: Iterable[Rejected]) -> None:
        """These objects, and no others, cannot be decoded now; each state of one is logged once."""
        found = {one.key: one for one in rejections}
        for key, one in found.items():
            if self._rejected.get(key) != one.version:
                log.error("%s %s cannot be decoded and is skipped: %s", self.resource, key, one.reason)
        self._rejected = {key: one.version for key, one in found.items()}
        self.undecodable = len(found)
