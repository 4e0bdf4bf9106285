from typing import Any

import msgspec
import pytest

from podwire.install import rollout
from podwire.install.pod_states import PodState, problem
from podwire.kube.apps import ControllerRevision, DaemonSet, Deployment
from podwire.kube.core import Node

NEW, OLD = "abc", "def"


def node(name: str, ready: str = "True", message: str = "") -> Node:
    conditions = [{"type": "Ready", "status": ready, "message": message}]
    return msgspec.convert({"metadata": {"name": name}, "status": {"conditions": conditions}}, Node)


def agent(on: str, revision: str = NEW, *, ready: bool = True, **status: Any) -> PodState:
    metadata = {"name": f"agent-{on}", "namespace": "kube-system", "labels": {"controller-revision-hash": revision}}
    conditions = [{"type": "Ready", "status": str(ready)}]
    body = {"metadata": metadata, "spec": {"nodeName": on}, "status": {"conditions": conditions, **status}}
    return msgspec.convert(body, PodState)


def waiting(reason: str, message: str = "", last: str = "") -> dict[str, Any]:
    """The status of a pod whose container waits for this reason, and what an earlier one wrote last."""
    one: dict[str, Any] = {"name": "agent", "state": {"waiting": {"reason": reason, "message": message}}}
    if last:
        one["lastState"] = {"terminated": {"exitCode": 1, "message": last}}
    return {"containerStatuses": [one]}


def test_a_node_is_done_when_its_new_agent_and_the_node_are_ready() -> None:
    progress = rollout.of_agents([node("a"), node("b")], [agent("a"), agent("b", OLD)], NEW)
    assert progress.done == ("a",)
    assert [str(one) for one in progress.problems] == [
        "node b: has its earlier agent; it is replaced when the nodes before it are done"
    ]
    assert rollout.of_agents([node("a")], [agent("a", OLD), agent("a")], NEW).complete
    assert not rollout.of_agents([node("a")], [agent("a")], "").complete, "its controller has not seen the change yet"


def test_a_node_that_is_not_ready_says_why() -> None:
    said = "cni plugin not initialized"
    progress = rollout.of_agents([node("a", "False", said), node("b")], [agent("a")], NEW)
    assert [one.reason for one in progress.problems] == [f"is not Ready: {said}", "has no agent yet"]


def test_a_node_that_is_down_is_not_waited_for_but_named_where_it_blocks() -> None:
    down = node("b", "Unknown")
    progress = rollout.of_agents([node("a"), down], [agent("a"), agent("b", OLD)], NEW)
    assert (progress.complete, progress.down) == (True, ("b",))
    assert rollout.blocked_by(progress) == ""
    blocked = rollout.of_agents([node("a"), down], [agent("a", OLD), agent("b", OLD)], NEW)
    assert "kubectl delete node b" in rollout.blocked_by(blocked)


@pytest.mark.parametrize(
    ("status", "hard", "said"),
    [
        (
            waiting("CrashLoopBackOff", "back-off", "first\nno such file\n"),
            True,
            "CrashLoopBackOff: no such file; its log",
        ),
        (waiting("ImagePullBackOff", "not found"), True, "ImagePullBackOff: not found; load the image on that node"),
        (waiting("ErrImagePull", "not found"), False, "ErrImagePull: not found"),
        (waiting("ContainerCreating"), False, "is Pending, and not ready yet"),
    ],
)
def test_a_pod_that_is_not_ready_has_reason_and_remedy(status: dict[str, Any], hard: bool, said: str) -> None:
    found = problem(agent("a", ready=False, **status))
    assert (found.hard, said in str(found)) == (hard, True), str(found)
    assert str(found).startswith("pod kube-system/agent-a on node a: ")


def test_a_pod_without_a_node_says_what_the_scheduler_said() -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]
    pod = msgspec.convert({"metadata": {"name": "dns"}, "status": {"conditions": conditions}}, PodState)
    assert "0/2 nodes are available" in problem(pod).reason


def deployment(**status: int) -> Deployment:
    body = {
        "metadata": {"name": "dns", "namespace": "kube-system", "generation": 2},
        "spec": {"replicas": 2},
        "status": status,
    }
    return msgspec.convert(body, Deployment)


def test_a_deployment_is_done_when_all_pods_are_new_and_ready() -> None:
    whole = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    assert rollout.of_deployment(deployment(**whole), []).complete
    for name, number in (("observedGeneration", 1), ("replicas", 3), ("updatedReplicas", 1), ("availableReplicas", 1)):
        assert not rollout.of_deployment(deployment(**{**whole, name: number}), []).complete
    found = rollout.of_deployment(deployment(), [agent("a", ready=False, **waiting("CrashLoopBackOff", "x"))])
    assert [one.hard for one in found.problems] == [True]


def revision(number: int, label: str, owner: str) -> ControllerRevision:
    metadata = {"labels": {"controller-revision-hash": label}, "ownerReferences": [{"uid": owner}]}
    return msgspec.convert({"metadata": metadata, "revision": number}, ControllerRevision)


def test_the_newest_revision_of_a_daemon_set_is_its_own() -> None:
    found = [revision(1, OLD, "mine"), revision(2, NEW, "mine"), revision(9, "other", "another")]
    body = {"metadata": {"uid": "mine", "generation": 2}, "status": {"observedGeneration": 2}}
    assert rollout.newest_revision(found, msgspec.convert(body, DaemonSet)) == NEW
    body["status"] = {"observedGeneration": 1}
    assert rollout.newest_revision(found, msgspec.convert(body, DaemonSet)) == ""
