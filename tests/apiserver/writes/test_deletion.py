from datetime import UTC, datetime
from typing import Any

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.writes import deletion
from podwire.apiserver.writes.deletion import DeleteOptions, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REGISTRY = registry()


def resource(plural: str) -> Resource:
    found = REGISTRY.find("", "v1", plural)
    assert found is not None
    return found


def thing(kind: str = "ConfigMap", name: str = "web", **metadata: Any) -> dict[str, Any]:
    own = {"name": name, "uid": "u1", "resourceVersion": "5", "generation": 1, **metadata}
    return {"apiVersion": "v1", "kind": kind, "metadata": own}


def pod(phase: str = "Running", node: str = "n1", **metadata: Any) -> dict[str, Any]:
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 20} if node else {}
    return {**thing("Pod", **metadata), "spec": spec, "status": {"phase": phase}}


def delete(obj: dict[str, Any], plural: str = "configmaps", **options: Any) -> Outcome:
    return deletion.delete(resource(plural), obj, DeleteOptions(**options), NOW)


def test_an_object_without_finalizers_is_removed_at_once() -> None:
    assert delete(thing()).gone


@pytest.mark.proves("delete-finalizers", "generation")
def test_finalizers_keep_an_object_marked() -> None:
    outcome = delete(thing(finalizers=["x"]))
    metadata = outcome.obj["metadata"]
    assert not outcome.gone
    assert (metadata["deletionTimestamp"], metadata["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:00Z", 0)
    assert metadata["generation"] == 2
    again = delete(outcome.obj)
    assert not again.gone
    assert again.obj["metadata"]["generation"] == 2


@pytest.mark.proves("delete-pods")
def test_a_running_pod_gets_its_grace_and_a_second_delete_shortens_it() -> None:
    marked = delete(pod(), "pods").obj
    assert (marked["metadata"]["deletionTimestamp"], marked["metadata"]["deletionGracePeriodSeconds"]) == (
        "2026-01-01T00:00:20Z",
        20,
    )
    longer = delete(marked, "pods", grace_seconds=60).obj["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 20
    shorter = delete(marked, "pods", grace_seconds=5).obj["metadata"]
    assert (shorter["deletionTimestamp"], shorter["deletionGracePeriodSeconds"]) == ("2026-01-01T00:00:05Z", 5)
    assert delete(marked, "pods", grace_seconds=0).gone


@pytest.mark.parametrize("obj", [pod(node=""), pod("Succeeded"), pod("Failed")])
def test_a_pod_that_runs_nowhere_is_removed_at_once(obj: dict[str, Any]) -> None:
    assert delete(obj, "pods").gone


def test_a_pod_with_a_finalizer_stays_after_its_grace() -> None:
    marked = delete(pod(finalizers=["x"]), "pods").obj
    outcome = delete(marked, "pods", grace_seconds=0)
    assert not outcome.gone
    assert outcome.obj["metadata"]["deletionGracePeriodSeconds"] == 0


@pytest.mark.proves("delete-foreground-orphan")
@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Foreground", ["x", "foregroundDeletion"]), ("Orphan", ["x", "orphan"]), ("Background", ["x"])],
)
def test_propagation_policies_are_finalizers(policy: str, finalizers: list[str]) -> None:
    outcome = delete(thing(finalizers=["x"]), propagation=policy)
    assert outcome.obj["metadata"]["finalizers"] == finalizers
    assert delete(thing(), propagation=policy).gone is (policy == "Background")


@pytest.mark.proves("delete-options")
def test_preconditions() -> None:
    assert delete(thing(), uid="u1", resource_version="5").gone
    for wrong in ({"uid": "u2"}, {"resource_version": "4"}):
        with pytest.raises(StatusError) as refused:
            delete(thing(), **wrong)
        assert (refused.value.code, refused.value.reason) == (409, "Conflict")


@pytest.mark.proves("delete-foreground-orphan")
def test_old_clients_of_jobs_keep_their_pods_and_get_a_warning() -> None:
    jobs = REGISTRY.find("batch", "v1", "jobs")
    assert jobs is not None
    kept = deletion.delete(jobs, thing("Job"), DeleteOptions(), NOW)
    assert kept.obj["metadata"]["finalizers"] == ["orphan"]
    assert deletion.delete(jobs, thing("Job"), DeleteOptions(propagation="Background"), NOW).gone
    [warning] = deletion.warnings(jobs, DeleteOptions())
    assert warning.startswith("child pods are preserved by default when jobs are deleted")
    assert deletion.warnings(jobs, DeleteOptions(propagation="Orphan")) == ()
    assert deletion.warnings(resource("pods"), DeleteOptions()) == ()


def test_a_namespace_is_terminating_until_it_is_finalized() -> None:
    namespace = {**thing("Namespace", "team"), "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    outcome = delete(namespace, "namespaces")
    assert not outcome.gone
    assert outcome.obj["status"]["phase"] == "Terminating"
    outcome.obj["spec"] = {}
    assert deletion.complete(outcome.obj)


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_cannot_be_deleted(name: str) -> None:
    with pytest.raises(StatusError) as refused:
        delete(thing("Namespace", name), "namespaces")
    assert refused.value.code == 403
