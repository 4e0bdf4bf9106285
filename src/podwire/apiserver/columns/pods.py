"""The table of pods. Source: k8s.io/kubernetes `pkg/printers/internalversion/printers.go` printPod."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from podwire.apiserver.columns import AGE, NAME, Cell, Column, Layout, texts

if TYPE_CHECKING:
    from datetime import datetime

    from podwire.apiserver.field import Field


@dataclass(frozen=True, slots=True)
class _Summary:
    """What the containers add up to. `restarted` is the latest end of an earlier run, RFC 3339, or empty."""

    reason: str
    ready: int = 0
    restarts: int = 0
    restarted: str = ""
    initializing: bool = False


def cells(pod: Field, now: datetime) -> tuple[Cell, ...]:
    """One row."""
    spec, status = pod["spec"], pod["status"]
    summary = summarize(pod)
    total = len(spec["containers"]) + sum(_is_sidecar(container) for container in spec["initContainers"])
    restarts = str(summary.restarts)
    if summary.restarts and summary.restarted:
        restarts = f"{restarts} ({texts.human(now - texts.parsed(summary.restarted))} ago)"
    addresses = status["podIPs"].value or [{}]
    return (
        texts.name(pod),
        f"{summary.ready}/{total}",
        summary.reason,
        restarts,
        texts.age(pod, now),
        addresses[0].get("ip") or status["podIP"].text or texts.NONE,
        spec["nodeName"].text or texts.NONE,
        status["nominatedNodeName"].text or texts.NONE,
        _gates(spec, status),
    )


def summarize(pod: Field) -> _Summary:
    """Status, ready containers and restarts of a pod, as users read them."""
    status = pod["status"]
    reason = status["reason"].text or status["phase"].text
    if any(c["type"].text == "PodScheduled" and c["reason"].text == "SchedulingGated" for c in status["conditions"]):
        reason = "SchedulingGated"
    summary = _initialize(pod, _Summary(reason))
    if not summary.initializing or texts.condition(status["conditions"], "Initialized") == "True":
        summary = _run(pod, summary)
    if pod["metadata"]["deletionTimestamp"]:
        if status["reason"].text == "NodeLost":
            return replace(summary, reason="Unknown")
        if status["phase"].text not in {"Succeeded", "Failed"}:
            return replace(summary, reason="Terminating")
    return summary


def _initialize(pod: Field, summary: _Summary) -> _Summary:
    """Go through the init containers up to the first that is not done."""
    sidecars = {container["name"].text for container in pod["spec"]["initContainers"] if _is_sidecar(container)}
    for position, container in enumerate(pod["status"]["initContainerStatuses"]):
        summary = _count(summary, container)
        state = container["state"]
        if state["terminated"].given and state["terminated"]["exitCode"].number == 0:
            continue
        if container["name"].text in sidecars and container["started"].value:
            summary = replace(summary, ready=summary.ready + bool(container["ready"]))
            continue
        if state["terminated"].given:
            why = f"Init:{_end(state['terminated'])}"
        elif state["waiting"]["reason"].text not in {"", "PodInitializing"}:
            why = f"Init:{state['waiting']['reason'].text}"
        else:
            why = f"Init:{position}/{len(pod['spec']['initContainers'])}"
        return replace(summary, reason=why, initializing=True)
    return summary


def _run(pod: Field, summary: _Summary) -> _Summary:
    """Go through the containers backwards: what the first one says stands. Only sidecars' restarts count on."""
    sidecars = {container["name"].text for container in pod["spec"]["initContainers"] if _is_sidecar(container)}
    summary = replace(summary, restarts=0, restarted="")
    for container in pod["status"]["initContainerStatuses"]:
        if container["name"].text in sidecars:
            summary = _count(summary, container)
    running = False
    for container in reversed(list(pod["status"]["containerStatuses"])):
        summary = _count(summary, container)
        state = container["state"]
        if state["waiting"]["reason"]:
            summary = replace(summary, reason=state["waiting"]["reason"].text)
        elif state["terminated"].given:
            summary = replace(summary, reason=_end(state["terminated"]))
        elif container["ready"] and state["running"].given:
            running = True
            summary = replace(summary, ready=summary.ready + 1)
    if summary.reason == "Completed" and running:
        ready = texts.condition(pod["status"]["conditions"], "Ready") == "True"
        return replace(summary, reason="Running" if ready else "NotReady")
    return summary


def _count(summary: _Summary, container: Field) -> _Summary:
    ended = container["lastState"]["terminated"]["finishedAt"].text
    restarts = summary.restarts + container["restartCount"].number
    return replace(summary, restarts=restarts, restarted=max(summary.restarted, ended))


def _end(terminated: Field) -> str:
    """Why a container ended."""
    if terminated["reason"]:
        return terminated["reason"].text
    if terminated["signal"]:
        return f"Signal:{terminated['signal'].number}"
    return f"ExitCode:{terminated['exitCode'].number}"


def _is_sidecar(container: Field) -> bool:
    return container["restartPolicy"].text == "Always"


def _gates(spec: Field, status: Field) -> str:
    gates = [gate["conditionType"].text for gate in spec["readinessGates"]]
    if not gates:
        return texts.NONE
    open_gates = sum(texts.condition(status["conditions"], gate) == "True" for gate in gates)
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
