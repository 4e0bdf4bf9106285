"""The pods of an installation as their kubelets report them: which are ready, and why others are not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.kube.kinds import Kind
from podwire.kube.meta import Condition, Object, Struct

UNREADY_IMAGE = frozenset({"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
HARD = UNREADY_IMAGE - {"ErrImagePull"} | {
    "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
}  # fmt: skip
"""Reasons of a waiting container that do not end by waiting. Source: k8s.io/kubernetes `pkg/kubelet/images`."""
REVISION_LABEL = "controller-revision-hash"
"""The label of a DaemonSet's pods that names the template they were made from."""


class Waiting(Struct, frozen=True):
    """A container that does not run yet."""

    reason: str = ""
    message: str = ""


class Terminated(Struct, frozen=True):
    """A container that has ended; the message is what it wrote last."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class State(Struct, frozen=True):
    """The state of a container: one of these, or running."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class Container(Struct, frozen=True):
    """The status of a container."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class Status(Struct, frozen=True):
    """The status of a pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[Container, ...] = ()
    container_statuses: tuple[Container, ...] = ()


class Spec(Struct, frozen=True):
    """Where a pod runs, and whether it has a network of its own."""

    node_name: str = ""
    host_network: bool = False


class PodState(Object, frozen=True):
    """A pod."""

    spec: Spec = Spec()
    status: Status = Status()

    @property
    def containers(self) -> tuple[Container, ...]:
        """All containers in the order in which they start."""
        return (*self.status.init_container_statuses, *self.status.container_statuses)

    @property
    def ready(self) -> bool:
        """Whether it serves, and is not being deleted."""
        return self.metadata.deletion_timestamp is None and any(
            one.type == "Ready" and one.status == "True" for one in self.status.conditions
        )


POD_STATES = Kind("v1", "Pod", "pods", PodState)


class Problem(msgspec.Struct, frozen=True):
    """What keeps an object from being ready: the object, the reason, what to do. `hard`: waiting does not help."""

    name: str
    reason: str
    remedy: str
    hard: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}; {self.remedy}"


def problem(pod: PodState) -> Problem:
    """Why a pod is not ready."""
    name = f"pod {pod.key}" + (f" on node {pod.spec.node_name}" if pod.spec.node_name else "")
    found = next(_of_containers(pod, name), None) or _of_conditions(pod, name)
    if found is not None:
        return found
    log = f"kubectl -n {pod.metadata.namespace} logs {pod.metadata.name}"
    return Problem(name, f"is {pod.status.phase}, and not ready yet", f"its log has the reason ('{log}')")


def _of_containers(pod: PodState, name: str) -> Iterator[Problem]:
    log = f"kubectl -n {pod.metadata.namespace} logs {pod.metadata.name}"
    for one in pod.containers:
        waiting = one.state.waiting
        if waiting is None or waiting.reason in {"", "PodInitializing", "ContainerCreating"}:
            continue
        last = one.last_state.terminated
        words = (last.message.strip() if last is not None and last.message else waiting.message).strip()
        reason = f"container {one.name}: {waiting.reason}" + (f": {_last_line(words)}" if words else "")
        if waiting.reason in UNREADY_IMAGE:
            remedy = "load the image on that node ('ctr -n k8s.io images import FILE'), or give another one, --image"
        elif last is not None:
            remedy = f"its log has more ('{log} -c {one.name} --previous')"
        else:
            remedy = f"'kubectl -n {pod.metadata.namespace} describe pod {pod.metadata.name}' has more"
        yield Problem(name, reason, remedy, hard=waiting.reason in HARD)


def _of_conditions(pod: PodState, name: str) -> Problem | None:
    for one in pod.status.conditions:
        if one.type == "PodScheduled" and one.status == "False":
            return Problem(name, f"is not scheduled: {one.message}", "give it a node that fits")
    return None


def _last_line(text: str) -> str:
    return text.splitlines()[-1][:400]
