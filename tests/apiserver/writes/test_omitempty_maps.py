"""Maps that say nothing are absent; objects that say something by being there are kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.custom.widgets import WIDGETS, define, widget
from tests.apiserver.samples import DEPLOYMENTS, JSON_PATCH, MAPS, PODS, config_map, deployment, pod

SERVICES = "/api/v1/namespaces/default/services"


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


async def test_a_map_that_loses_its_last_entry_goes_with_it(talk: Talk) -> None:
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
async def test_saying_nothing_again_is_no_change(talk: Talk, nothing: object) -> None:
    made = await talk.ok("POST", PODS, pod())
    made["spec"]["nodeSelector"] = nothing
    again = await talk.ok("PUT", f"{PODS}/web", made)
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
