"""Empty maps and lists and zeros of a status are absent where Go omits them; empty objects are kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import WIDGETS, define, widget
from tests.apiserver.samples import DEPLOYMENTS, JSON_PATCH, MAPS, MERGE, PODS, config_map, deployment, pod

SERVICES = "/api/v1/namespaces/default/services"
SETS = "/apis/apps/v1/namespaces/default/replicasets"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"


def workload() -> dict[str, Any]:
    """A Deployment with an empty map wherever one may stand, and with objects that are empty."""
    made = deployment()
    template = made["spec"]["template"]
    template["metadata"]["annotations"] = {}
    template["spec"]["nodeSelector"] = {}
    template["spec"]["volumes"] = [{"name": "scratch", "emptyDir": {}}]
    template["spec"]["containers"][0]["resources"] = {"limits": {}, "requests": {"cpu": "1"}}
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    template["spec"]["topologySpreadConstraints"] = [{**spread, "labelSelector": {"matchLabels": {}}}]
    return made


async def test_empty_maps_are_left_out_at_any_depth(talk: Talk) -> None:
    template = (await talk.ok("POST", DEPLOYMENTS, workload()))["spec"]["template"]
    assert "annotations" not in template["metadata"]
    assert "nodeSelector" not in template["spec"]
    assert template["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1"}}
    assert template["spec"]["volumes"] == [{"name": "scratch", "emptyDir": {}}]
    assert template["spec"]["topologySpreadConstraints"][0]["labelSelector"] == {}
    assert template["spec"]["securityContext"] == {}


async def test_a_map_is_removed_with_its_last_entry(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, config_map())
    patch = [{"op": "remove", "path": f"/data/{key}"} for key in made["data"]]
    assert "data" not in await talk.ok("PATCH", f"{MAPS}/a", patch, content_type=JSON_PATCH)


async def test_a_service_with_an_empty_selector_has_none(talk: Talk) -> None:
    spec = {"selector": {}, "ports": [{"port": 1}]}
    made = await talk.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": spec})
    assert "selector" not in made["spec"]


async def test_kinds_of_users_keep_what_they_are_given(talk: Talk) -> None:
    await define(talk)
    made = await talk.ok("POST", WIDGETS, widget(labels={}, extra={}))
    assert (made["spec"]["labels"], made["spec"]["extra"]) == ({}, {})


@pytest.mark.parametrize("nothing", [{}, None])
async def test_an_empty_value_sent_again_is_no_change(talk: Talk, nothing: object) -> None:
    made = await talk.ok("POST", PODS, pod())
    made["spec"]["nodeSelector"] = nothing
    again = await talk.ok("PUT", f"{PODS}/web", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_empty_lists_are_left_out_where_go_omits_them(talk: Talk) -> None:
    made = await talk.ok(
        "POST", PODS, pod(hostAliases=[], tolerations=[], containers=[{"name": "a", "image": "b", "env": []}])
    )
    assert not {"hostAliases", "tolerations"} & made["spec"].keys()
    assert "env" not in made["spec"]["containers"][0]
    spec: dict[str, Any] = {"podSelector": {}, "ingress": [], "egress": [{"to": [], "ports": []}]}
    policy = await talk.ok("POST", POLICIES, {"metadata": {"name": "a"}, "spec": spec})
    assert policy["spec"] == {"podSelector": {}, "egress": [{}], "policyTypes": ["Ingress", "Egress"]}
    assert (await talk.ok("POST", ROLES, {"metadata": {"name": "a"}, "rules": []}))["rules"] == []


async def test_empty_lists_are_left_out_of_the_hundredth_object_too(talk: Talk) -> None:
    for number in range(40):
        made = await talk.ok(
            "POST", MAPS, config_map(f"m{number}") | {"metadata": {"name": f"m{number}", "finalizers": []}}
        )
        assert "finalizers" not in made["metadata"]
        made = await talk.ok("POST", PODS, pod(f"p{number}", hostAliases=[]))
        assert "hostAliases" not in made["spec"]


async def test_counts_of_zero_are_absent_where_go_omits_them(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path, counts = f"{DEPLOYMENTS}/web/status", {"replicas": 2, "unavailableReplicas": 2, "collisionCount": 0}
    stored = await talk.ok("PATCH", path, {"status": counts}, content_type=MERGE)
    assert stored["status"] == {"replicas": 2, "unavailableReplicas": 2, "collisionCount": 0}
    stored = await talk.ok("PATCH", path, {"status": {"unavailableReplicas": 0}}, content_type=MERGE)
    assert stored["status"] == {"replicas": 2, "collisionCount": 0}


async def test_zero_sent_again_is_no_change(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web/status"
    first = await talk.ok("PATCH", path, {"status": {"replicas": 1}}, content_type=MERGE)
    again = await talk.ok("PATCH", path, {"status": {"readyReplicas": 0}}, content_type=MERGE)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
async def test_counts_that_go_always_writes_stay(talk: Talk, kind: str) -> None:
    path = SETS.replace("replicasets", f"{kind.lower()}s")
    await talk.ok("POST", path, {**deployment(), "kind": kind})
    stored = await talk.ok("PATCH", f"{path}/web/status", {"status": {"replicas": 0}}, content_type=MERGE)
    assert stored["status"]["replicas"] == 0
