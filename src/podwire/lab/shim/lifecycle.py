"""Which containers of a pod run when. Pure: plans, records and times come in, decisions go out.

    state        event                                          next state
    waiting      due, and init containers before it are done    running
    waiting      could not be made                              waiting, after a back-off
    running      its program could not be run                   as an end with 128 and StartError
    running      ended, policy restarts it                      waiting, after a back-off
    running      ended, policy does not                         terminated

Source: kubelet `kuberuntime_manager.go` (computePodActions, doBackOff) and "Pod Lifecycle" on kubernetes.io. The first
restart is at once, the next after 10 s, then doubling to 5 min; ten minutes of running start the count again.
Times: `due` is seconds of the machine's monotonic clock, the others seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from podwire.lab.container.plan import ContainerPlan, PodPlan, Struct

FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 300.0
STEADY_SECONDS = 600.0

CREATING = "ContainerCreating"
INITIALIZING = "PodInitializing"
CRASH_LOOP = "CrashLoopBackOff"
CREATE_ERROR = "CreateContainerError"
RUN_ERROR = "RunContainerError"
START_ERROR = "StartError"
START_ERROR_CODE = 128


class Waiting(Struct, frozen=True, kw_only=True, tag="waiting"):
    """Not started yet, or waiting to be started again."""

    reason: str = CREATING
    message: str = ""


class Running(Struct, frozen=True, kw_only=True, tag="running"):
    """Its first process. `ticks`, its start in clock ticks after boot, excludes a later process of that number."""

    pid: int
    ticks: int
    started: float


class Terminated(Struct, frozen=True, kw_only=True, tag="terminated"):
    """How it ended. `signal` is 0 where it ended by itself."""

    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    started: float = 0.0
    finished: float = 0.0


class Record(Struct, frozen=True, kw_only=True):
    """All that is known of one container. `starts` counts processes started, `backoff` is the next pause in seconds.

    `passed`: the startup probe of a gated sidecar succeeded once; `image_id` is of what was started last.
    """

    name: str
    state: Waiting | Running | Terminated = Waiting()
    last: Terminated | None = None
    starts: int = 0
    backoff: float = 0.0
    due: float = 0.0
    passed: bool = False
    image_id: str = ""

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(0, self.starts - 1)


Records = Mapping[str, Record]


def initial(plan: PodPlan) -> dict[str, Record]:
    """The records of a pod that was never started."""
    has_init = any(container.init for container in plan.containers)
    return {
        container.name: Record(
            name=container.name,
            state=Waiting(reason=INITIALIZING if has_init and container.main else CREATING),
        )
        for container in plan.containers
    }


def reprieved(before: PodPlan, after: PodPlan, records: Records) -> dict[str, Record]:
    """The records of containers that could not be started and have another program now: they wait no longer."""
    programs = {container.name: container.program for container in before.containers}
    fresh = {}
    for container in after.containers:
        record = records.get(container.name)
        if record is not None and _failed_to_start(record) and programs.get(container.name) != container.program:
            fresh[container.name] = msgspec.structs.replace(record, state=Waiting(), due=0.0, backoff=0.0)
    return fresh


def _failed_to_start(record: Record) -> bool:
    if not isinstance(record.state, Waiting):
        return False
    return record.state.reason == CREATE_ERROR or (record.last is not None and record.last.reason == START_ERROR)


def startable(plan: PodPlan, records: Records) -> list[ContainerPlan]:
    """The containers that wait for nothing but their time: one init container, or all main ones; any ephemeral one."""
    if _main_ended(plan, records):
        return []
    waiting = [entry for entry in plan.containers if entry.ephemeral and isinstance(records[entry.name].state, Waiting)]
    for container in plan.containers:
        record = records[container.name]
        if isinstance(record.state, Waiting) and not container.ephemeral:
            waiting.append(container)
        if container.init and not _passed(container, record):
            return waiting
    return waiting


def _passed(container: ContainerPlan, record: Record) -> bool:
    """Whether the containers behind this init container may start."""
    if container.sidecar:
        return record.starts > 0 and (record.passed or not container.gated)
    return isinstance(record.state, Terminated) and record.state.exit_code == 0


def next_to_stop(plan: PodPlan, running: Collection[str]) -> list[ContainerPlan]:
    """Of the containers that run, those to stop now: all that are no sidecars, then sidecars, the last one first."""
    alive = [container for container in plan.containers if container.name in running]
    return [container for container in alive if not container.sidecar] or alive[-1:]


def leftovers(plan: PodPlan, records: Records) -> list[ContainerPlan]:
    """The sidecars and ephemeral containers that still run although all that they serve has ended for good."""
    if not _main_ended(plan, records):
        return []
    return [entry for entry in plan.containers if isinstance(records[entry.name].state, Running)]


def _main_ended(plan: PodPlan, records: Records) -> bool:
    return all(isinstance(records[entry.name].state, Terminated) for entry in plan.containers if entry.main)


def due(plan: PodPlan, records: Records, now: float) -> list[ContainerPlan]:
    """The containers to start now."""
    return [container for container in startable(plan, records) if records[container.name].due <= now]


def next_due(plan: PodPlan, records: Records, now: float) -> float | None:
    """Seconds until the next start; None when nothing waits for time to pass."""
    times = [records[container.name].due for container in startable(plan, records)]
    return max(0.0, min(times) - now) if times else None


def started(record: Record, running: Running, image_id: str = "") -> Record:
    """The record after its process was forked."""
    return msgspec.structs.replace(record, state=running, starts=record.starts + 1, image_id=image_id)


def ended(record: Record, container: ContainerPlan, how: Terminated, now: float, *, stopping: bool) -> Record:
    """The record after its process ended. `stopping`: it is not needed any more, whatever its policy."""
    if stopping or not restarts(container, how):
        return msgspec.structs.replace(record, state=how)
    steady = how.reason != START_ERROR and how.finished - how.started > STEADY_SECONDS
    pause = 0.0 if steady else record.backoff
    message = f"back-off {_duration(pause)} restarting failed container={record.name}"
    state = Waiting(reason=CRASH_LOOP, message=message) if pause else Waiting()
    if how.reason == START_ERROR and not pause:
        state = Waiting(reason=RUN_ERROR, message=how.message)
    return msgspec.structs.replace(
        record,
        state=state,
        last=how,
        backoff=_longer(pause),
        due=now + pause,
    )


def start_error(message: str, finished: float) -> Terminated:
    """How a container ended whose program could not be run, as containerd reports it."""
    return Terminated(exit_code=START_ERROR_CODE, reason=START_ERROR, message=message, finished=finished)


def refused(record: Record, message: str, now: float) -> Record:
    """The record after the container could not be made at all; it is tried again whatever the policy, as upstream."""
    pause = record.backoff or FIRST_BACKOFF_SECONDS
    return msgspec.structs.replace(
        record,
        state=Waiting(reason=CREATE_ERROR, message=message),
        backoff=_longer(pause),
        due=now + pause,
    )


def _duration(seconds: float) -> str:
    """As Go prints a duration."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"


def _longer(pause: float) -> float:
    return min(LONGEST_BACKOFF_SECONDS, pause * 2) if pause else FIRST_BACKOFF_SECONDS


def restarts(container: ContainerPlan, how: Terminated) -> bool:
    """Whether its policy starts a container again that ended so. An init container that succeeded is done."""
    if container.restart == "Always":
        return True
    return container.restart == "OnFailure" and how.exit_code != 0


def finished(plan: PodPlan, records: Records) -> bool:
    """Whether nothing runs and nothing will: all containers ended, or an init container failed for good."""
    if any(isinstance(record.state, Running) for record in records.values()):
        return False
    for container in plan.containers:
        state = records[container.name].state
        if container.init and container.restart != "Always" and isinstance(state, Terminated) and state.exit_code:
            return True
    return _main_ended(plan, records)
