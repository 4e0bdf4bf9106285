"""What writes by each path change, and what they leave."""

from typing import Any

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.samples import DEPLOYMENTS, JSON_PATCH, MERGE, PODS, deployment, pod

APPLY = "application/apply-patch+yaml"
SERVICES = "/api/v1/namespaces/default/services"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
NAMESPACES = "/api/v1/namespaces"
SERVICE: dict[str, Any] = {"metadata": {"name": "web", "labels": {"a": "1"}}, "spec": {"ports": [{"port": 80}]}}
INGRESS: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"a": "1"}},
    "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
}


@pytest.mark.parametrize(
    ("path", "body", "keeps_labels"),
    [(SERVICES, SERVICE, False), (INGRESSES, INGRESS, False), (DEPLOYMENTS, deployment(), True)],
    ids=["Service", "Ingress", "Deployment"],
)
async def test_a_patch_of_the_status_writes_metadata_as_its_kind_allows(
    talk: Talk, path: str, body: dict[str, Any], keeps_labels: bool
) -> None:
    made = await talk.ok("POST", path, body)
    wanted = {"metadata": {"annotations": {"patched": "true"}, "labels": {"b": "2"}}, "spec": None, "status": {}}
    patched = await talk.ok("PATCH", f"{path}/web/status", wanted, content_type=MERGE)
    assert patched["metadata"]["annotations"] == {"patched": "true"}
    assert patched["metadata"].get("labels", {}).get("b") == (None if keeps_labels else "2")
    assert patched["spec"] == made["spec"]


async def test_a_pods_status_does_not_change_its_owners(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}
    wanted = {"metadata": {"ownerReferences": [owner], "labels": {"b": "2"}}, "status": {"phase": "Running"}}
    patched = await talk.ok("PATCH", f"{PODS}/web/status", wanted, content_type=MERGE)
    assert "ownerReferences" not in patched["metadata"]
    assert patched["metadata"]["labels"] == {"b": "2"}


async def test_a_service_range_keeps_all_metadata_when_its_status_is_written(talk: Talk) -> None:
    path = "/apis/networking.k8s.io/v1/servicecidrs"
    await talk.ok("POST", path, {"metadata": {"name": "more"}, "spec": {"cidrs": ["192.0.2.0/24"]}})
    wanted = {"metadata": {"annotations": {"a": "1"}}, "status": {"conditions": []}}
    patched = await talk.ok("PATCH", f"{path}/more/status", wanted, content_type=MERGE)
    assert "annotations" not in patched["metadata"]


async def test_applying_a_status_may_set_annotations(talk: Talk) -> None:
    await talk.ok("POST", SERVICES, SERVICE)
    config = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "annotations": {"a": "1"}},
        "status": {"conditions": [{"type": "T", "status": "True", "reason": "R", "lastTransitionTime": None}]},
    }
    path = f"{SERVICES}/web/status?fieldManager=m"
    applied = await talk.ok("PATCH", path, config, content_type=APPLY)
    assert applied["metadata"]["annotations"] == {"a": "1"}
    assert applied["spec"]["ports"][0]["port"] == 80


@pytest.mark.proves("namespace-finalizers")
async def test_a_namespaces_finalizers_are_written_by_finalize_alone(talk: Talk) -> None:
    await talk.ok("POST", NAMESPACES, {"metadata": {"name": "shop"}})
    for body, form in (
        ({"spec": {"finalizers": None}}, MERGE),
        ([{"op": "remove", "path": "/spec/finalizers"}], JSON_PATCH),
        ({"spec": {"finalizers": ["example.com/other"]}}, MERGE),
    ):
        patched = await talk.ok("PATCH", f"{NAMESPACES}/shop", body, content_type=form)
        assert patched["spec"]["finalizers"] == ["kubernetes"]
    await talk.ok("DELETE", f"{NAMESPACES}/shop")
    dying = await talk.ok("PATCH", f"{NAMESPACES}/shop", {"spec": {"finalizers": None}}, content_type=MERGE)
    assert dying["spec"]["finalizers"] == ["kubernetes"]
    wrong = {**dying, "spec": {"finalizers": ["mine"]}}
    _, _, message = await talk.refused("PUT", f"{NAMESPACES}/shop/finalize", wrong)
    assert "name is neither a standard finalizer name nor is it fully qualified" in message
    held = await talk.ok("PUT", f"{NAMESPACES}/shop/finalize", {**dying, "spec": {"finalizers": ["a.b/c"]}})
    assert held["spec"]["finalizers"] == ["a.b/c"]
    await talk.ok("PUT", f"{NAMESPACES}/shop/finalize", {**held, "spec": {}})
    assert (await talk.refused("GET", f"{NAMESPACES}/shop"))[0] == 404


async def test_changes_of_a_pods_spec_are_counted_and_its_binding_is_not(talk: Talk) -> None:
    made = await talk.ok("POST", PODS, pod() | {"metadata": {"name": "web", "generation": 100}})
    assert made["metadata"]["generation"] == 1
    await talk.ok("POST", f"{PODS}/web/binding", {"metadata": {"name": "web"}, "target": {"name": "n1"}})
    assert (await talk.ok("GET", f"{PODS}/web"))["metadata"]["generation"] == 1
    debug = {"spec": {"ephemeralContainers": [{"name": "d", "image": "busybox"}]}}
    debugged = await talk.ok("PATCH", f"{PODS}/web/ephemeralcontainers", debug, content_type=MERGE)
    assert debugged["metadata"]["generation"] == 2


async def test_an_observed_generation_stays_when_a_client_does_not_know_it(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    ready = {"type": "Ready", "status": "True"}
    reported = {"status": {"observedGeneration": 1, "conditions": [{**ready, "observedGeneration": 1}]}}
    await talk.ok("PATCH", f"{PODS}/web/status", reported, content_type=MERGE)
    now = await talk.ok("GET", f"{PODS}/web")
    answered = await talk.ok("PUT", f"{PODS}/web/status", {**now, "status": {"conditions": [ready]}})
    assert answered["status"]["observedGeneration"] == 1
    assert answered["status"]["conditions"][0]["observedGeneration"] == 1
