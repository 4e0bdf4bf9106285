"""The state machine of the roles that pid 1 keeps running. Pure: times in, decisions out.

state      event                          next state
waiting    due                            starting
starting   the zygote answered a pid      running
starting   the zygote went away           waiting (soon)
running    exited, role is kept           waiting (after a delay that doubles while its runs are short)
running    exited, role runs once         done, or failed where the status is not 0
running    exited with 0, on demand       waiting, held until it is requested again

A process may end before the zygote's answer names its role: its end is kept until that answer comes.

A role that is held does not start until it is released; the caller of `hold` ends its process.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

FIRST_DELAY_SECONDS = 0.02
LONGEST_DELAY_SECONDS = 5.0
YOUNG_SECONDS = 5.0
"""A role that lived longer starts again with the first delay."""


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """One process of the world: what runs, in which network namespace, and what it needs to have finished first.

    One `on_demand` is held until it is requested, and again when it ends with status 0. A request that came while it
    ran starts it again: it may have ended without knowing of it.
    """

    name: str
    function: str
    network: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    once: bool = False
    after: tuple[str, ...] = ()
    inherits: tuple[str, ...] = ()
    on_demand: bool = False


class State(enum.Enum):
    """Where a role is in the table above."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class _Role:
    spec: RoleSpec
    state: State = State.WAITING
    pid: int = 0
    due: float = 0.0
    started: float = 0.0
    delay: float = FIRST_DELAY_SECONDS
    held: bool = False
    requested: bool = False


class Supervision:
    """All roles of a world by name. Times are seconds of any steady clock."""

    def __init__(self, specs: tuple[RoleSpec, ...]) -> None:
        self._roles = {spec.name: _Role(spec, held=spec.on_demand) for spec in specs}
        self._early: dict[int, int] = {}
        """Exit codes of processes that ended while some role was starting: one of them may be that role's."""

    def state(self, name: str) -> State:
        """Where this role is."""
        return self._roles[name].state

    def pid(self, name: str) -> int:
        """The role's process, 0 while it has none."""
        return self._roles[name].pid

    def hold(self, network: str) -> None:
        """Start no role of this network namespace until it is released."""
        for role in self._of(network):
            role.held = True

    def release(self, network: str, now: float) -> None:
        """The roles of this network namespace may start again, at once."""
        for role in self._of(network):
            role.held, role.due, role.delay = False, now, FIRST_DELAY_SECONDS

    def demand(self, name: str, now: float) -> None:
        """Allow a role on demand to start; no effect on others. Raises KeyError for an unknown name."""
        role = self._roles[name]
        if role.spec.on_demand and role.held:
            role.held, role.due = False, now
        elif role.spec.on_demand:
            role.requested = True

    def held(self, name: str) -> bool:
        """Whether the role may not run now."""
        return self._roles[name].held

    def due(self, now: float) -> list[RoleSpec]:
        """Roles to start now; they count as starting from here on."""
        ready = [
            role
            for role in self._roles.values()
            if role.state is State.WAITING and role.due <= now and self._free(role)
        ]
        for role in ready:
            role.state = State.STARTING
        return [role.spec for role in ready]

    def next_due(self, now: float) -> float | None:
        """Seconds until the next role is due; None when nothing waits for time to pass."""
        waiting = [role.due for role in self._roles.values() if role.state is State.WAITING and self._free(role)]
        return max(0.0, min(waiting) - now) if waiting else None

    def running(self, name: str, pid: int, now: float) -> None:
        """The zygote started this role, which may have ended since."""
        role = self._roles[name]
        role.state, role.pid, role.started = State.RUNNING, pid, now
        if pid in self._early:
            self.exited(pid, self._early[pid], now)
        self._clear_early()

    def not_started(self, name: str, now: float) -> None:
        """The zygote ended before it answered: the role is due again soon."""
        role = self._roles[name]
        if role.state is State.STARTING:
            role.state, role.due = State.WAITING, now + FIRST_DELAY_SECONDS
        self._clear_early()

    def exited(self, pid: int, code: int, now: float) -> str | None:
        """A process ended with this exit code (negative: signal). Returns the role's name, None if it is no role."""
        role = next((r for r in self._roles.values() if r.state is State.RUNNING and r.pid == pid), None)
        if role is None:
            if self._any_starting():
                self._early[pid] = code
            return None
        role.pid = 0
        if role.spec.once:
            role.state = State.DONE if code == 0 else State.FAILED
            return role.spec.name
        if role.spec.on_demand and code == 0:
            role.state, role.due, role.delay = State.WAITING, now, FIRST_DELAY_SECONDS
            role.held, role.requested = not role.requested, False
            return role.spec.name
        role.delay = FIRST_DELAY_SECONDS if now - role.started > YOUNG_SECONDS else role.delay
        role.state, role.due = State.WAITING, now + role.delay
        role.delay = min(role.delay * 2, LONGEST_DELAY_SECONDS)
        return role.spec.name

    def _any_starting(self) -> bool:
        return any(role.state is State.STARTING for role in self._roles.values())

    def _clear_early(self) -> None:
        if not self._any_starting():
            self._early.clear()

    def _of(self, network: str) -> list[_Role]:
        return [role for role in self._roles.values() if role.spec.network == network and not role.spec.once]

    def _free(self, role: _Role) -> bool:
        return not role.held and all(self._roles[name].state is State.DONE for name in role.spec.after)
