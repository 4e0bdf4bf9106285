"""The table of pods. Source: k8s.io/kubernetes `pkg/printers/internalversion/printers.go` printPod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from podwire.apiserver.kinds.layout import AGE, NAME, Cell, Column, Layout
from podwire.apiserver.reads.columns import texts

if TYPE_CHECKING:
    from datetime import datetime

    from podwire.apiserver.base.field_path import Field

Object = dict[str, Any]


class _Summary(msgspec.Struct, frozen=True, gc=False):
    """What the containers add up to. `restarted` is the latest end of an earlier run, RFC 3339, or empty."""

    reason: str
    ready: int = 0
    restarts: int = 0
    restarted: str = ""
    initializing: bool = False


def cells(pod: Field, now: datetime) -> tuple[Cell, ...]:
    """One row. Pods are many, so this reads plain objects: what is stored has the types of its schema."""
    spec, status = pod.value.get("spec") or {}, pod.value.get("status") or {}
    summary = summarize(pod.value)
    total = len(spec.get("containers") or ()) + len(_sidecars(spec))
    restarts = str(summary.restarts)
    if summary.restarts and summary.restarted:
        restarts = f"{restarts} ({texts.human(now - texts.parsed(summary.restarted))} ago)"
    addresses = status.get("podIPs") or [{}]
    return (
        texts.name(pod),
        f"{summary.ready}/{total}",
        summary.reason,
        restarts,
        texts.age(pod, now),
        addresses[0].get("ip") or status.get("podIP") or texts.NONE,
        spec.get("nodeName") or texts.NONE,
        status.get("nominatedNodeName") or texts.NONE,
        _gates(spec, status),
    )


def summarize(pod: Object) -> _Summary:
    """Status, ready containers and restarts of a pod, as users read them."""
    status = pod.get("status") or {}
    sidecars = _sidecars(pod.get("spec") or {})
    reason = status.get("reason") or status.get("phase") or ""
    if _condition(status, "PodScheduled").get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    summary = _initialize(pod, _Summary(reason), sidecars)
    if not summary.initializing or _condition(status, "Initialized").get("status") == "True":
        summary = _run(status, summary, sidecars)
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return replace(summary, reason="Unknown")
        if status.get("phase") not in {"Succeeded", "Failed"}:
            return replace(summary, reason="Terminating")
    return summary


def _initialize(pod: Object, summary: _Summary, sidecars: frozenset[str]) -> _Summary:
    """Go through the init containers up to the first that is not done."""
    for position, container in enumerate(pod.get("status", {}).get("initContainerStatuses") or ()):
        summary = _count(summary, container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason") or ""
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if container.get("name") in sidecars and container.get("started"):
            summary = replace(summary, ready=summary.ready + bool(container.get("ready")))
            continue
        if terminated is not None:
            why = f"Init:{_end(terminated)}"
        elif waiting not in {"", "PodInitializing"}:
            why = f"Init:{waiting}"
        else:
            why = f"Init:{position}/{len(pod['spec'].get('initContainers') or ())}"
        return replace(summary, reason=why, initializing=True)
    return summary


def _run(status: Object, summary: _Summary, sidecars: frozenset[str]) -> _Summary:
    """Go through the containers backwards: the first one decides. Only sidecars' restarts are added."""
    summary = replace(summary, restarts=0, restarted="")
    for container in status.get("initContainerStatuses") or ():
        if container.get("name") in sidecars:
            summary = _count(summary, container)
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        summary = _count(summary, container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason")
        if waiting:
            summary = replace(summary, reason=waiting)
        elif terminated is not None:
            summary = replace(summary, reason=_end(terminated))
        elif container.get("ready") and state.get("running") is not None:
            running = True
            summary = replace(summary, ready=summary.ready + 1)
    if summary.reason == "Completed" and running:
        ready = _condition(status, "Ready").get("status") == "True"
        return replace(summary, reason="Running" if ready else "NotReady")
    return summary


def _count(summary: _Summary, container: Object) -> _Summary:
    restarts = container.get("restartCount") or 0
    last = (container.get("lastState") or {}).get("terminated")
    if not restarts and not last:
        return summary
    ended = (last or {}).get("finishedAt") or ""
    return replace(summary, restarts=summary.restarts + restarts, restarted=max(summary.restarted, ended))


def _end(terminated: Object) -> str:
    """Why a container ended."""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode') or 0}"


def _sidecars(spec: Object) -> frozenset[str]:
    """The init containers that go on beside the others."""
    every = spec.get("initContainers") or ()
    return frozenset(one["name"] for one in every if one.get("restartPolicy") == "Always")


def _condition(status: Object, kind: str) -> Object:
    """The condition of a type; empty where there is none."""
    return next((one for one in status.get("conditions") or () if one.get("type") == kind), {})


def _gates(spec: Object, status: Object) -> str:
    gates = [gate.get("conditionType", "") for gate in spec.get("readinessGates") or ()]
    if not gates:
        return texts.NONE
    open_gates = sum(_condition(status, gate).get("status") == "True" for gate in gates)
    return f"{open_gates}/{len(gates)}"


PODS = Layout(
    (
        NAME,
        Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
        Column("Status", description="The aggregate status of the containers in this pod."),
        Column(
            "Restarts",
            description=(
                "The number of times the containers in this pod have been restarted and when the last container in "
                "this pod has restarted."
            ),
        ),
        AGE,
        Column("IP", priority=1, description="The pod's primary address."),
        Column("Node", priority=1, description="The node that runs the pod."),
        Column("Nominated Node", priority=1, description="The node where the pod may run once others have left it."),
        Column("Readiness Gates", priority=1, description="Conditions that must be true besides the containers'."),
    ),
    cells,
)
