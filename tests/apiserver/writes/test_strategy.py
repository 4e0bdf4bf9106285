from typing import Any

import pytest

from podwire.apiserver import defaults
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.writes import strategy

REGISTRY = registry()
Object = dict[str, Any]


def created(api_version: str, kind: str, **body: Any) -> Object:
    resource = REGISTRY.by_kind(api_version, kind)
    assert resource is not None
    obj: Object = {"metadata": {"name": "web", "uid": "u-1"}, **body}
    defaults.apply(resource, obj)
    strategy.before_create(resource, obj)
    return obj


def test_a_new_pod_is_pending_whatever_status_was_sent() -> None:
    pod = created("v1", "Pod", spec={"containers": [{"name": "a"}]}, status={"phase": "Running"})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["spec"]["serviceAccountName"] == "default"


def test_a_new_namespace_is_active_and_has_its_finalizer() -> None:
    namespace = created("v1", "Namespace")
    assert namespace["spec"]["finalizers"] == ["kubernetes"]
    assert namespace["status"] == {"phase": "Active"}


@pytest.mark.parametrize(
    ("api_version", "kind", "status"),
    [
        ("apps/v1", "Deployment", {}),
        ("apps/v1", "ReplicaSet", {"replicas": 0}),
        ("v1", "Service", {"loadBalancer": {}}),
    ],
)
def test_a_new_object_has_a_status_before_its_controller_runs(api_version: str, kind: str, status: Object) -> None:
    made = created(api_version, kind, spec={"type": "ClusterIP"}, status={"replicas": 7})
    assert made["status"] == status
    assert "status" not in created("v1", "ConfigMap")


def test_a_new_node_keeps_the_status_that_was_sent() -> None:
    assert created("v1", "Node", status={"addresses": []})["status"] == {"addresses": []}


def test_a_job_selects_its_own_pods() -> None:
    spec = created("batch/v1", "Job", spec={"template": {"spec": {"containers": []}}})["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert spec["template"]["metadata"]["labels"] == {
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "web",
        "controller-uid": "u-1",
        "job-name": "web",
    }


def test_a_job_that_selects_by_hand_is_left_alone() -> None:
    selector = {"matchLabels": {"a": "b"}}
    spec = {"manualSelector": True, "selector": selector, "template": {"spec": {}}}
    assert created("batch/v1", "Job", spec=spec)["spec"]["selector"] == selector


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}, "Burstable"),
    ],
)
def test_quality_of_service_follows_from_requests_and_limits(resources: Object, quality: str) -> None:
    assert strategy.quality_of_service({"containers": [{"resources": resources}]}) == quality
