"""The status of a pod, from the records of its containers. Pure: a pod, records and times in, a status out.

Sources: k8s.io/api `core/v1` PodStatus; kubelet `kubelet_pods.go` (getPhase), `status/generate.go` (conditions).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from podwire.kube.core import Container, Pod, PodIP
from podwire.kube.meta import Condition, Struct
from podwire.lab.images import reference
from podwire.lab.kubelet.pod_logs import container_id
from podwire.lab.kubelet.sandbox import Failure
from podwire.lab.shim.lifecycle import CREATING, INITIALIZING, Record, Running, Terminated, Waiting

OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
BY_KUBELET = "TerminationByKubelet"
"""The reason of a DisruptionTarget of the kubelet; the API server writes one for each eviction by request."""


class _Waiting(Struct, frozen=True):
    reason: str
    message: str = ""


class _Running(Struct, frozen=True):
    started_at: str


class _Terminated(Struct, frozen=True):
    exit_code: int
    reason: str
    signal: int = 0
    message: str = ""
    started_at: str = ""
    finished_at: str = ""
    container_id: str = msgspec.field(default="", name="containerID")


class _State(Struct, frozen=True):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class ContainerStatus(Struct, frozen=True):
    """One entry of `containerStatuses`; what has no default is always written."""

    name: str
    ready: bool
    started: bool
    restart_count: int
    state: _State
    image: str
    image_id: str = msgspec.field(name="imageID")
    last_state: _State = _State()
    container_id: str = msgspec.field(default="", name="containerID")


class Status(Struct, frozen=True):
    """The part of a pod's status that the kubelet writes."""

    phase: str
    conditions: tuple[Condition, ...]
    start_time: str
    observed_generation: int | None = None
    message: str = ""
    reason: str = ""
    host_ip: str = msgspec.field(default="", name="hostIP")
    host_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="hostIPs")
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()


OVERDUE = Failure(reason="DeadlineExceeded", message="Pod was active on the node longer than the specified deadline")


class Health(msgspec.Struct, frozen=True):
    """The verdicts of a container's probes. Without a probe both are true as soon as it runs."""

    started: bool = True
    ready: bool = True


class Observation(msgspec.Struct, frozen=True):
    """What a node observes of a pod. `troubles` are the reasons why containers cannot even be tried, by name.

    `failure`: the node ended the pod, such as one that was active for longer than its activeDeadlineSeconds.
    """

    records: Mapping[str, Record] = msgspec.field(default_factory=dict)
    health: Mapping[str, Health] = msgspec.field(default_factory=dict)
    troubles: Mapping[str, Waiting] = msgspec.field(default_factory=dict)
    image_ids: Mapping[str, str] = msgspec.field(default_factory=dict)
    pod_addresses: tuple[str, ...] = ()
    node_addresses: tuple[str, ...] = ()
    start_time: str = ""
    stopping: bool = False
    failure: Failure | None = None


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 as Kubernetes writes times."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def own(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Return the conditions that the kubelet writes."""
    return tuple(one for one in conditions if one.type in OWN_CONDITIONS or one.reason == BY_KUBELET)


def status(pod: Pod, seen: Observation, now: str, before: Iterable[Condition] = ()) -> Status:
    """The status to report. Conditions of others stay; one of ours keeps its time while it is as `before`."""
    init = tuple(_container_status(pod, container, seen) for container in pod.spec.init_containers)
    main = tuple(_container_status(pod, container, seen) for container in pod.spec.containers)
    current = phase(pod, seen)
    return Status(
        phase=current,
        observed_generation=pod.metadata.generation or None,
        reason=seen.failure.reason if seen.failure is not None and current == "Failed" else "",
        message=seen.failure.message if seen.failure is not None and current == "Failed" else "",
        conditions=_conditions(pod, seen, current, now, before),
        start_time=seen.start_time or now,
        host_ip=seen.node_addresses[0] if seen.node_addresses else "",
        host_ips=tuple(PodIP(ip=address) for address in seen.node_addresses),
        pod_ip=seen.pod_addresses[0] if seen.pod_addresses else "",
        pod_ips=tuple(PodIP(ip=address) for address in seen.pod_addresses),
        init_container_statuses=init,
        container_statuses=main,
        ephemeral_container_statuses=tuple(
            _container_status(pod, container, seen) for container in pod.spec.ephemeral_containers
        ),
    )


def phase(pod: Pod, seen: Observation) -> str:
    """Pending until all containers could be started, then Running until nothing runs and nothing will."""
    if seen.failure is not None and seen.stopping and _nothing_runs(seen):
        return "Failed"
    init = [_record(container, seen) for container in pod.spec.init_containers]
    for container, record in zip(pod.spec.init_containers, init, strict=True):
        if container.restart_policy != "Always" and _failed(record) and pod.spec.restart_policy == "Never":
            return "Failed"
    records = [_record(container, seen) for container in pod.spec.containers]
    if all(isinstance(record.state, Terminated) for record in records) and _final(pod, seen, records):
        return "Failed" if any(map(_failed, records)) else "Succeeded"
    if all(record.starts or isinstance(record.state, Terminated) for record in records):
        return "Running"
    return "Failed" if seen.stopping and _nothing_runs(seen) and seen.records else "Pending"


def _final(pod: Pod, seen: Observation, records: Iterable[Record]) -> bool:
    if pod.spec.restart_policy == "Never" or seen.stopping:
        return True
    return pod.spec.restart_policy == "OnFailure" and not any(map(_failed, records))


def _nothing_runs(seen: Observation) -> bool:
    return not any(isinstance(record.state, Running) for record in seen.records.values())


def _failed(record: Record) -> bool:
    return isinstance(record.state, Terminated) and record.state.exit_code != 0


def _record(container: Container, seen: Observation) -> Record:
    return seen.records.get(container.name, Record(name=container.name))


def ready(container: Container, seen: Observation) -> bool:
    """Return whether a container runs and its probes succeed."""
    health = seen.health.get(container.name, Health())
    return isinstance(_record(container, seen).state, Running) and health.started and health.ready


def _container_status(pod: Pod, container: Container, seen: Observation) -> ContainerStatus:
    record = _record(container, seen)
    init = container in pod.spec.init_containers and container.restart_policy != "Always"
    finished_init = init and isinstance(record.state, Terminated) and record.state.exit_code == 0
    health = seen.health.get(container.name, Health())
    image_id = record.image_id or seen.image_ids.get(container.name, "")
    return ContainerStatus(
        name=container.name,
        ready=finished_init or (ready(container, seen) and container not in pod.spec.ephemeral_containers),
        started=isinstance(record.state, Running) and health.started and not init,
        restart_count=record.restarts,
        state=_state(pod, record, seen),
        image=_full_name(container.image, image_id),
        image_id=image_id,
        last_state=_State(terminated=_terminated(pod, record, record.last)) if record.last else _State(),
        container_id=_container_id(pod, record.name, record.restarts) if record.starts else "",
    )


def _full_name(image: str, image_id: str) -> str:
    """The name as container runtimes report it, where it led to an image of the store."""
    return str(reference.parse(image)) if image_id.startswith("sha256:") else image


def _container_id(pod: Pod, name: str, run: int) -> str:
    return f"podwire://{container_id(pod.metadata.uid, name, run)}"


def _state(pod: Pod, record: Record, seen: Observation) -> _State:
    match record.state:
        case Running(started=began):
            return _State(running=_Running(started_at=rfc3339(began)))
        case Terminated() as how:
            return _State(terminated=_terminated(pod, record, how))
        case Waiting() as waiting:
            trouble = seen.troubles.get(record.name, waiting)
            if trouble.reason == CREATING and pod.spec.init_containers:
                trouble = Waiting(reason=INITIALIZING)
            return _State(waiting=_Waiting(reason=trouble.reason, message=trouble.message))


def _terminated(pod: Pod, record: Record, how: Terminated) -> _Terminated:
    later = how is record.last and not isinstance(record.state, Waiting)
    run = record.starts - (2 if later else 1)
    return _Terminated(
        exit_code=how.exit_code,
        reason=how.reason,
        signal=how.signal,
        message=how.message,
        started_at=rfc3339(how.started),
        finished_at=rfc3339(how.finished),
        container_id=_container_id(pod, record.name, run),
    )


def _conditions(
    pod: Pod, seen: Observation, current: str, now: str, before: Iterable[Condition]
) -> tuple[Condition, ...]:
    unready = [container.name for container in pod.spec.containers if not ready(container, seen)]
    incomplete = [container.name for container in pod.spec.init_containers if not _initialized(container, seen)]
    done = "PodCompleted" if current == "Succeeded" else "PodFailed" if current == "Failed" else ""
    containers = _verdict("ContainersReady", not unready and not done, done or "ContainersNotReady", unready)
    mine = (
        _verdict("PodReadyToStartContainers", bool(seen.pod_addresses) and not done, "", []),
        _verdict("Initialized", not incomplete, "ContainersNotInitialized", incomplete, "incomplete"),
        containers,
        _gated(pod, msgspec.structs.replace(containers, type="Ready")),
        *_disruption(seen),
    )
    known = {condition.type: condition for condition in before}
    types = {condition.type for condition in mine}
    others = tuple(condition for condition in pod.status.conditions if condition.type not in types)
    generation = pod.metadata.generation or None
    return others + tuple(
        msgspec.structs.replace(_since(condition, known.get(condition.type), now), observed_generation=generation)
        for condition in mine
    )


def _initialized(container: Container, seen: Observation) -> bool:
    record = _record(container, seen)
    if container.restart_policy == "Always":
        gated = container.startup_probe is not None and not record.passed
        return record.starts > 0 and not gated
    return isinstance(record.state, Terminated) and record.state.exit_code == 0


def _verdict(kind: str, holds: bool, reason: str, names: list[str], word: str = "unready") -> Condition:
    if holds:
        return Condition(type=kind, status="True")
    message = f"containers with {word} status: [{' '.join(names)}]" if names else ""
    return Condition(type=kind, status="False", reason=reason, message=message)


def _disruption(seen: Observation) -> Iterator[Condition]:
    """The condition of a pod that its node evicts for itself: a Job's podFailurePolicy may ignore such an end."""
    if seen.failure is not None and seen.failure.disrupts:
        yield Condition(type="DisruptionTarget", status="True", reason=BY_KUBELET, message=seen.failure.message)


def _gated(pod: Pod, condition: Condition) -> Condition:
    """Readiness gates: every condition that the pod names must be True too."""
    states = {entry.type: entry.status for entry in pod.status.conditions}
    missing = [_closed(gate.condition_type, states) for gate in pod.spec.readiness_gates]
    message = ", ".join(filter(None, missing))
    if condition.status == "True" and message:
        return msgspec.structs.replace(condition, status="False", reason="ReadinessGatesNotReady", message=message)
    return condition


def _closed(gate: str, states: Mapping[str, str]) -> str:
    """Why a readiness gate keeps a pod from being ready; empty where it does not."""
    if gate not in states:
        return f'corresponding condition of pod readiness gate "{gate}" does not exist.'
    if states[gate] == "True":
        return ""
    return f'the status of pod readiness gate "{gate}" is not "True", but {states[gate]}'


def _since(condition: Condition, before: Condition | None, now: str) -> Condition:
    same = before is not None and before.status == condition.status
    since = before.last_transition_time if same and before is not None else None
    return msgspec.structs.replace(condition, last_transition_time=since or now)


def patch(pod: Pod, desired: Status) -> dict[str, Any]:
    """The merge patch that reports it, for this pod only and not for a later one of the same name."""
    return {"metadata": {"uid": pod.metadata.uid}, "status": msgspec.to_builtins(desired)}
