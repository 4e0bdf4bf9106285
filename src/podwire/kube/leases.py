"""Leader election by a Lease: no I/O. One process of several acts, and another one takes over when it has ended.

    state       input                                               next        next write
    FOLLOWING   there is no Lease                                   FOLLOWING   create
    FOLLOWING   held by another, changed within its duration        FOLLOWING   none
    FOLLOWING   free, released, expired, or our own                 FOLLOWING   update
    FOLLOWING   our write was taken                                 LEADING
    LEADING     the retry period is over                            LEADING     update
    LEADING     our write was taken                                 LEADING
    LEADING     the Lease was deleted or released by another        LEADING     create, update
    LEADING     the Lease is held by another                        LOST
    LEADING     no write was taken for the renew deadline           LOST

Whether a Lease of another has expired is judged by when its content was last seen to change, on the own clock: clocks
of two machines are never compared. Source: k8s.io/client-go `tools/leaderelection/leaderelection.go`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.kube.coordination import Lease, LeaseSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, with client-go's values. Raises ValueError where two leaders could act at once.

    Attributes:
        duration: how long others leave a Lease alone that is not renewed.
        deadline: after which a leader that could not renew stops.
        retry: between two tries.

    """

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.deadline < self.duration:
            raise ValueError(f"{self}: 0 < retry < deadline < duration is needed")


class State(enum.Enum):
    """The state of one candidate."""

    FOLLOWING = "following"
    LEADING = "leading"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Write:
    """The Lease's next content; `version` is the state that it replaces, empty to create it."""

    spec: LeaseSpec
    version: str

    def body(self) -> Mapping[str, Any]:
        """The body of a create, or of a merge patch that fails with a conflict when the state is another one."""
        metadata = {"metadata": {"resourceVersion": self.version}} if self.version else {}
        return {
            **metadata,
            "spec": {
                "holderIdentity": self.spec.holder_identity or None,
                "leaseDurationSeconds": self.spec.lease_duration_seconds,
                "acquireTime": self.spec.acquire_time,
                "renewTime": self.spec.renew_time,
                "leaseTransitions": self.spec.lease_transitions,
            },
        }


class Election:
    """One candidate. `now` is a monotonic time in seconds, `wall` the time of day that others read in the Lease."""

    def __init__(self, identity: str, timing: Timing) -> None:
        self.state = State.FOLLOWING
        self.holder = ""
        self._identity = identity
        self._timing = timing
        self._lease: Lease | None = None
        self._observed = 0.0
        self._renewed = 0.0

    def observe(self, lease: Lease | None, now: float) -> None:
        """Take the Lease as the server has it; None where there is none."""
        if lease is None or self._lease is None or lease.spec != self._lease.spec:
            self._observed = now
        self._lease = lease
        self.holder = lease.spec.holder_identity if lease is not None else ""
        if self.state is State.LEADING and self.holder not in {"", self._identity}:
            self.state = State.LOST

    def next_write(self, now: float, wall: datetime | None = None) -> Write | None:
        """What to write now; None while another one holds the Lease."""
        text = _micro_time(wall or datetime.now(UTC))
        if self._lease is None:
            return Write(self._spec(text, text, 0), "")
        old = self._lease.spec
        if old.holder_identity not in {"", self._identity} and now - self._observed < old.lease_duration_seconds:
            return None
        if old.holder_identity == self._identity:
            acquired, transitions = old.acquire_time or text, old.lease_transitions
        else:
            acquired, transitions = text, old.lease_transitions + 1
        spec = self._spec(acquired, text, transitions)
        return Write(spec, self._lease.metadata.resource_version)

    def written(self, lease: Lease, started: float) -> None:
        """The server took a write that was sent at `started`, and returned this."""
        self._lease = lease
        self._observed = self._renewed = started
        self.holder = self._identity
        self.state = State.LEADING

    def remaining(self, now: float) -> float:
        """Seconds until a leader must stop unless it renews."""
        return max(0.0, self._renewed + self._timing.deadline - now)

    def check(self, now: float) -> State:
        """The state at this time: a leader that could not renew for the deadline is none any more."""
        if self.state is State.LEADING and self.remaining(now) <= 0:
            self.state = State.LOST
        return self.state

    def release(self, wall: datetime | None = None) -> Write | None:
        """What to write so that another one may lead at once; None for who does not lead."""
        if self.state is not State.LEADING or self._lease is None:
            return None
        text = _micro_time(wall or datetime.now(UTC))
        spec = LeaseSpec(
            lease_duration_seconds=1,
            acquire_time=text,
            renew_time=text,
            lease_transitions=self._lease.spec.lease_transitions,
        )
        return Write(spec, self._lease.metadata.resource_version)

    def _spec(self, acquired: str, renewed: str, transitions: int) -> LeaseSpec:
        return LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=round(self._timing.duration),
            acquire_time=acquired,
            renew_time=renewed,
            lease_transitions=transitions,
        )


def _micro_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as metav1.MicroTime is written."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"
