import pytest

from podwire.kube.meta import OwnerReference
from podwire.kube.pod_workloads import Workload, workload


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("web-5d-q1", {"pod-template-hash": "5d"}, Workload("web", "Deployment")),
        ("web-5d-q1", {"pod-template-hash": "6e"}, Workload("web-5d-q1", "Pod")),
        ("db-0", {"statefulset.kubernetes.io/pod-name": "db-0"}, Workload("db", "StatefulSet")),
        ("once-x7", {"batch.kubernetes.io/job-name": "once"}, Workload("once", "Job")),
        ("log-x7", {"controller-revision-hash": "77"}, Workload("log", "DaemonSet")),
        ("alone", {"app": "alone"}, Workload("alone", "Pod")),
    ],
)
def test_by_labels(name: str, labels: dict[str, str], expected: Workload) -> None:
    assert workload(name, labels) == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (OwnerReference(kind="ReplicaSet", name="web-5d", controller=True), Workload("web", "Deployment")),
        (OwnerReference(kind="ReplicaSet", name="own", controller=True), Workload("own", "ReplicaSet")),
        (OwnerReference(kind="Job", name="once", controller=True), Workload("once", "Job")),
        (OwnerReference(kind="Node", name="node-1"), Workload("web", "Deployment")),
    ],
)
def test_by_owner(owner: OwnerReference, expected: Workload) -> None:
    assert workload("web-5d-q1", {"pod-template-hash": "5d"}, (owner,)) == expected
