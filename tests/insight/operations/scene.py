"""Pods of podwire's programs for tests of operations."""

from __future__ import annotations

from podwire.insight.operations.programs import Program, ProgramPod
from podwire.insight.pod_reading import ContainerReading, PodReading, PodReadingStatus, StateReading, WaitingState
from podwire.kube.core import Container, PodSpec
from podwire.kube.meta import Condition, NamespacedName, ObjectMeta


def pod(node: str, trouble: str = "", program: Program = Program.AGENT, name: str = "", **more: str) -> ProgramPod:
    key = NamespacedName("kube-system", name or f"podwire-{program}-{node}")
    return ProgramPod(
        key, program, node, more.get("version", "1.0"), trouble, arguments=tuple(more.get("flags", "").split())
    )


def reading(*, waits: str = "", args: tuple[str, ...] = (), init: str = "") -> PodReading:
    """A pod of the DaemonSet as the API server returns it."""
    state = StateReading(waiting=WaitingState(reason=waits, message="no such image") if waits else None)
    first = ContainerReading(name="place-cni", state=StateReading(waiting=WaitingState(reason=init)))
    ready = "False" if waits or init else "True"
    return PodReading(
        metadata=ObjectMeta(
            name="podwire-agent-x", namespace="kube-system", labels={"app.kubernetes.io/version": "0.2.0"}
        ),
        spec=PodSpec(node_name="node-1", containers=(Container(name="agent", image="podwire:0.2.0", args=args),)),
        status=PodReadingStatus(
            phase="Running",
            conditions=(Condition(type="Ready", status=ready, reason="ContainersNotReady"),),
            container_statuses=(ContainerReading(name="agent", ready=not waits, restart_count=2, state=state),),
            init_container_statuses=(first,) if init else (),
        ),
    )
