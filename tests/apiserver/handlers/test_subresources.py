"""Subresources, kinds with special handling, and the bootstrap objects."""

from typing import Any

import pytest

from podwire.apiserver.streams.relays import Relay
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import DEPLOYMENTS, MAPS, MERGE, PODS, deployment, pod

BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"

# subresources


async def test_scale(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment(replicas=2))
    path = f"{DEPLOYMENTS}/web/scale"
    scale = await talk.ok("GET", path)
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["selector"]) == ("Scale", 2, "app=web")
    assert (await talk.ok("PATCH", path, {"spec": {"replicas": 7}}, content_type=MERGE))["spec"]["replicas"] == 7
    assert (await talk.ok("GET", f"{DEPLOYMENTS}/web"))["spec"]["replicas"] == 7
    assert (await talk.refused("PUT", path, scale))[:2] == (409, "Conflict")
    code, _, message = await talk.refused("PATCH", path, {"spec": {"replicas": -1}}, content_type=MERGE)
    assert code == 422
    assert message == (
        'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )


async def test_a_scale_whose_metadata_is_no_object_is_refused(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment("web"))
    path, body = f"{DEPLOYMENTS}/web/scale", {"metadata": True}
    assert (await talk.refused("PUT", path, body))[:2] == (400, "BadRequest")
    assert (await talk.refused("PATCH", path, body, content_type=MERGE))[:2] == (400, "BadRequest")


@pytest.mark.proves("table-cells")
async def test_a_scale_has_a_table_of_its_own(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment(replicas=2))
    table = await talk.ok("GET", f"{DEPLOYMENTS}/web/scale", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    (row,) = table["rows"]
    assert (row["cells"][:3], row["object"]["metadata"]["name"]) == (["web", 2, 0], "web")


async def test_a_pod_is_bound_once(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    await talk.ok("POST", f"{PODS}/web/binding", binding)
    bound = await talk.ok("GET", f"{PODS}/web")
    assert bound["spec"]["nodeName"] == "n1"
    assert {c["type"]: c["status"] for c in bound["status"]["conditions"]}["PodScheduled"] == "True"
    assert (await talk.refused("POST", f"{PODS}/web/binding", binding))[:2] == (409, "Conflict")


async def guarded(talk: Talk) -> None:
    """A ready pod with a disruption budget that nobody has counted yet."""
    labelled = pod()
    labelled["metadata"]["labels"] = {"app": "web"}
    await talk.ok("POST", PODS, labelled)
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await talk.ok("PATCH", f"{PODS}/web/status", ready, content_type=MERGE)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    await talk.ok("POST", BUDGETS, {"metadata": {"name": "web"}, "spec": spec})


async def allow_one(talk: Talk) -> None:
    """The budget allows one disruption."""
    allowed = {"status": {"observedGeneration": 1, "disruptionsAllowed": 1}}
    await talk.ok("PATCH", f"{BUDGETS}/web/status", allowed, content_type=MERGE)


@pytest.mark.proves("evictions")
async def test_eviction_charges_the_disruption_budget(talk: Talk) -> None:
    await guarded(talk)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    assert (await talk.refused("POST", f"{PODS}/web/eviction", body))[:2] == (429, "TooManyRequests")
    await allow_one(talk)
    await talk.ok("POST", f"{PODS}/web/eviction", body)
    assert "web" in (await talk.ok("GET", f"{BUDGETS}/web"))["status"]["disruptedPods"]
    assert (await talk.ok("GET", BUDGETS))["items"][0]["status"]["disruptionsAllowed"] == 0


async def test_duplicate_fields_in_an_eviction_are_reported(talk: Talk) -> None:
    await guarded(talk)
    await allow_one(talk)
    twice = b'{"kind":"Eviction","metadata":{"name":"web"},"kind":"Eviction"}'
    code, _, message = await talk.refused("POST", f"{PODS}/web/eviction?fieldValidation=Strict", twice)
    assert (code, message) == (
        400,
        'Eviction in version "v1" cannot be handled as a Eviction: strict decoding error: duplicate field "kind"',
    )
    warned = await talk.answer("POST", f"{PODS}/web/eviction", twice)
    assert getattr(warned, "warnings", ()) == ('duplicate field "kind"',)


async def test_eviction_deletes(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod())
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    await talk.ok("POST", f"{PODS}/web/eviction", body)
    assert (await talk.refused("GET", f"{PODS}/web"))[0] == 404


async def test_an_evicted_pod_has_a_condition(talk: Talk) -> None:
    await talk.ok("POST", PODS, {**pod(nodeName="n1")})
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    await talk.ok("POST", f"{PODS}/web/eviction?dryRun=All", body)
    assert "conditions" not in (await talk.ok("GET", f"{PODS}/web"))["status"]
    await talk.ok("POST", f"{PODS}/web/eviction", body)
    evicted = await talk.ok("GET", f"{PODS}/web")
    reasons = {entry["type"]: entry["reason"] for entry in evicted["status"]["conditions"]}
    assert reasons == {"DisruptionTarget": "EvictionByEvictionAPI"}
    assert "deletionTimestamp" in evicted["metadata"]


async def test_exec_needs_an_upgrade(talk: Talk) -> None:
    await talk.ok("POST", PODS, pod(nodeName="n1"))
    assert (await talk.refused("GET", f"{PODS}/web/exec?command=ls"))[0] == 400
    requested = await talk.answer("POST", f"{PODS}/web/exec?command=ls")  # the runtime says why, it runs nothing
    assert isinstance(requested, Relay)
    assert not requested.streams


# kinds with more to them


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], "selector": {"app": name}, **spec}}


async def test_a_service_s_address_is_its_own_until_it_is_gone(talk: Talk) -> None:
    path = "/api/v1/namespaces/default/services"
    await talk.ok("POST", f"{path}?dryRun=All", service("a", clusterIP="10.96.7.7"))
    await talk.ok("POST", path, service("a", clusterIP="10.96.7.7"))
    assert (await talk.refused("POST", path, service("b", clusterIP="10.96.7.7")))[:2] == (422, "Invalid")
    await talk.ok("DELETE", f"{path}/a")
    assert (await talk.ok("POST", path, service("b", clusterIP="10.96.7.7")))["spec"]["clusterIPs"] == ["10.96.7.7"]
    given = (await talk.ok("POST", path, service("c")))["spec"]["clusterIP"]
    assert given.startswith("10.96.")
    assert given != "10.96.7.7"


@pytest.mark.proves("events-both-groups")
async def test_events_are_served_in_two_forms(talk: Talk) -> None:
    new = {
        "metadata": {"name": "e", "namespace": "default"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "test",
        "reportingInstance": "test-1",
        "action": "Testing",
        "reason": "Works",
        "type": "Normal",
        "note": "it works",
        "regarding": {"kind": "Pod", "name": "web", "namespace": "default"},
    }
    made = await talk.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", new)
    assert (made["apiVersion"], made["note"]) == ("events.k8s.io/v1", "it works")
    path = "/api/v1/namespaces/default/events"
    found = await talk.ok("GET", f"{path}?fieldSelector=involvedObject.name=web")
    assert [(item["apiVersion"], item["message"]) for item in found["items"]] == [("v1", "it works")]
    assert (await talk.ok("GET", f"{path}?fieldSelector=involvedObject.name=db"))["items"] == []
    merged = await talk.ok(
        "PATCH", "/apis/events.k8s.io/v1/namespaces/default/events/e", {"note": "still"}, content_type=MERGE
    )
    assert merged["note"] == "still"
    assert (await talk.ok("GET", f"{path}/e"))["message"] == "still"


@pytest.mark.proves("errors-are-status-objects")
async def test_what_is_wrong_is_named_and_nothing_is_stored(talk: Talk) -> None:
    policy = {
        "metadata": {"name": "p"},
        "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 9, "endPort": 5}]}]},
    }
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    code, answer = await talk.response("POST", path, policy)
    assert (code, answer["reason"]) == (422, "Invalid")
    assert "spec.ingress[0].ports[0].endPort" in {cause["field"] for cause in answer["details"]["causes"]}
    assert (await talk.ok("GET", path))["items"] == []


# first objects


async def test_the_bootstrap_objects_exist(talk: Talk) -> None:
    spaces = await talk.ok("GET", "/api/v1/namespaces")
    assert [s["metadata"]["name"] for s in spaces["items"]] == [
        "default",
        "kube-node-lease",
        "kube-public",
        "kube-system",
        "podwire-node-lease",
        "podwire-system",
    ]
    assert all(space["status"]["phase"] == "Active" for space in spaces["items"])
    service = await talk.ok("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIPs"] == ["10.96.0.1", "fd00:10:96::1"]
    slices = await talk.ok("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices")
    assert [s["endpoints"][0]["addresses"] for s in slices["items"]] == [["172.18.0.1"], ["fd00:172:18::1"]]


@pytest.mark.proves("errors-are-status-objects")
async def test_a_server_error_is_a_status_without_traceback(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(talk.server.store, "get", broken)
    code, reason, message = await talk.refused("GET", f"{MAPS}/a")
    assert (code, reason) == (500, "InternalError")
    assert "secret detail" not in message
