"""How far a rollout has come: the agent of each node, and the pods of a Deployment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from podwire.install.pod_states import REVISION_LABEL, PodState, Problem, problem
from podwire.kube.apps import ControllerRevision, DaemonSet, Deployment
from podwire.kube.core import Node


class Progress(msgspec.Struct, frozen=True):
    """What is done, by name, and what is not, with the reason; `down` are nodes that no agent can start on now."""

    done: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    down: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.problems


def newest_revision(revisions: Iterable[ControllerRevision], owner: DaemonSet) -> str:
    """The label's value of pods with the current template; empty where its controller has not seen it yet."""
    if owner.status.observed_generation < owner.metadata.generation:
        return ""
    own = [
        one
        for one in revisions
        if any(owner.metadata.uid == reference.uid for reference in one.metadata.owner_references)
    ]
    return max(own, key=lambda one: one.revision).metadata.labels.get(REVISION_LABEL, "") if own else ""


def is_down(node: Node) -> bool:
    """Whether the node's kubelet does not report any more."""
    return any(one.type == "Ready" and one.status == "Unknown" for one in node.status.conditions)


def of_agents(nodes: Iterable[Node], pods: Iterable[PodState], revision: str) -> Progress:
    """The agents: a node is done when its agent has the current template and is ready, and so is the node."""
    by_node: dict[str, PodState] = {}
    for pod in sorted(pods, key=lambda one: one.metadata.labels.get(REVISION_LABEL) == revision):
        by_node[pod.spec.node_name] = pod
    done: list[str] = []
    problems: list[Problem] = []
    down: list[str] = []
    for node in nodes:
        if is_down(node):
            down.append(node.metadata.name)
        elif (found := _of_agent(node, by_node, revision)) is not None:
            problems.append(found)
        else:
            done.append(node.metadata.name)
    return Progress(tuple(done), tuple(problems), tuple(down))


def _of_agent(node: Node, pods: Mapping[str, PodState], revision: str) -> Problem | None:
    name = f"node {node.metadata.name}"
    pod = pods.get(node.metadata.name)
    if pod is None:
        return Problem(
            name, "has no agent yet", "the DaemonSet's events have the reason ('kubectl -n kube-system describe ds')"
        )
    if not revision or pod.metadata.labels.get(REVISION_LABEL) != revision:
        return Problem(name, "has its earlier agent", "it is replaced when the nodes before it are done")
    if not pod.ready:
        return problem(pod)
    if not node.ready:
        condition = next((one for one in node.status.conditions if one.type == "Ready"), None)
        words = condition.message if condition is not None else "no condition Ready"
        return Problem(name, f"is not Ready: {words}", f"'kubectl describe node {node.metadata.name}' has more")
    return None


def of_deployment(deployment: Deployment, pods: Iterable[PodState]) -> Progress:
    """A Deployment: done when all its pods have the current template and are ready."""
    key, status, desired = deployment.key, deployment.status, deployment.spec.replicas
    seen = status.observed_generation >= deployment.metadata.generation
    if seen and status.updated_replicas == status.available_replicas == status.replicas == desired:
        return Progress((f"deployment {key}",))
    unready = sorted(
        (problem(pod) for pod in pods if not pod.ready and pod.metadata.deletion_timestamp is None),
        key=lambda one: not one.hard,
    )
    reason = f"{status.available_replicas} of {desired} pods are ready"
    waiting = Problem(f"deployment {key}", reason, f"'kubectl -n {key.namespace} get pods' shows them")
    return Progress((), tuple(unready) or (waiting,))


def blocked_by(progress: Progress) -> str:
    """What nodes that are down mean for the others: the DaemonSet replaces one agent at a time."""
    names = ", ".join(progress.down)
    if not progress.down or progress.complete:
        return ""
    return (
        f"down: {names}. The DaemonSet waits for their agents before it replaces others: start them, or take them out "
        f"of the cluster ('kubectl delete node {progress.down[0]}')"
    )
