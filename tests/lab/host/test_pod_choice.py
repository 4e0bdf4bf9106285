"""The pod that a name of a command means."""

from __future__ import annotations

import pytest

from podwire.kube.core import Pod, PodSpec, PodStatus
from podwire.kube.meta import Condition, ObjectMeta, OwnerReference
from podwire.lab.host import pod_choice
from podwire.lab.host.worlds import WorldError

READY = (Condition(type="Ready", status="True"),)
OTHERS = ("outside", "node-1")


def pod(name: str, owner: str = "", *, node: str = "node-1", phase: str = "Running", ready: bool = True) -> Pod:
    kind, _, of = owner.partition("/")
    owners = (OwnerReference(api_version="apps/v1", kind=kind, name=of, uid="1", controller=True),) if owner else ()
    labels = {"pod-template-hash": of.rpartition("-")[2]} if kind == "ReplicaSet" else {}
    return Pod(
        metadata=ObjectMeta(name=name, namespace="shop", labels=labels, owner_references=owners),
        spec=PodSpec(node_name=node),
        status=PodStatus(phase=phase, conditions=READY if ready else ()),
    )


PODS = (
    pod("frontend-5c9f-b", "ReplicaSet/frontend-5c9f"),
    pod("frontend-5c9f-a", "ReplicaSet/frontend-5c9f", ready=False),
    pod("frontend-5c9f-0", "ReplicaSet/frontend-5c9f", phase="Succeeded"),
    pod("db-0", "StatefulSet/db"),
    pod("db-agent", "DaemonSet/db"),
    pod("alone"),
    pod("waiting", node=""),
)


def chosen(text: str) -> tuple[str, int]:
    found = pod_choice.choose(pod_choice.parsed(text), PODS, OTHERS)
    return found.pod.metadata.name, found.of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("shop/frontend", ("frontend-5c9f-b", 3)),
        ("shop/deploy/frontend", ("frontend-5c9f-b", 3)),
        ("deployment/frontend", ("frontend-5c9f-b", 3)),
        ("shop/frontend-5c9f-a", ("frontend-5c9f-a", 0)),
        ("shop/pod/db-0", ("db-0", 0)),
        ("shop/sts/db", ("db-0", 1)),
        ("shop/ds/db", ("db-agent", 1)),
        ("alone", ("alone", 0)),
    ],
)
def test_a_pod_or_a_ready_one_of_a_workload(text: str, found: tuple[str, int]) -> None:
    assert chosen(text) == found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("shop/frontned", "shop/frontned: is no pod or workload, and none of outside, node-1; .* there is frontend"),
        ("shop/sts/frontend", "shop/sts/frontend: is no pod or workload"),
        ("shop/db", "shop/db means several: write shop/daemonset/db or shop/statefulset/db"),
        ("shop/waiting", "none of its pods runs; see 'kubectl -n shop get pods'"),
        ("shop/x/db", "write POD, NAMESPACE/NAME, KIND/NAME or NAMESPACE/KIND/NAME"),
        ("shop/", "write POD, NAMESPACE/NAME"),
    ],
)
def test_other_names_are_errors(text: str, error: str) -> None:
    with pytest.raises(WorldError, match=error):
        chosen(text)
