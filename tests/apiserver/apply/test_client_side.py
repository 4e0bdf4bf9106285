"""From kubectl's client-side apply to server-side apply, without kubectl's own help."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podwire.apiserver.apply import client_side, fields
from podwire.apiserver.apply.client_side import ANNOTATION
from tests.apiserver.apply.shapes import shape
from tests.apiserver.conftest import Talk

MAPS = "/api/v1/namespaces/default/configmaps"
CONFIG_MAP = shape("v1", "ConfigMap")

Object = dict[str, Any]


def config_map(annotation: str = "", **data: str) -> Object:
    metadata: Object = {
        "name": "a",
        "namespace": "default",
        **({"annotations": {ANNOTATION: annotation}} if annotation else {}),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def apply(talk: Talk, who: str, body: Object) -> tuple[int, Object]:
    path = f"{MAPS}/a?fieldManager={who}"
    return await talk.response("PATCH", path, body, content_type="application/apply-patch+yaml")


async def test_kubectl_takes_over_what_it_applied_before_and_keeps_the_annotation_up_to_date(talk: Talk) -> None:
    last = json.dumps(config_map(x="1", y="1"))
    await talk.ok("POST", f"{MAPS}?fieldManager=old", config_map(last, x="1", y="1"))
    code, done = await apply(talk, "kubectl", config_map(x="2", y="1"))
    assert (code, done["data"]) == (200, {"x": "2", "y": "1"})
    assert json.loads(done["metadata"]["annotations"][ANNOTATION]) == config_map(x="2", y="1")


async def test_other_clients_do_not_take_over(talk: Talk) -> None:
    await talk.ok("POST", f"{MAPS}?fieldManager=old", config_map(json.dumps(config_map(x="1")), x="1"))
    code, refusal = await apply(talk, "me", config_map(x="2"))
    assert (code, refusal["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "old" using v1: .data.x',
    )


async def test_fields_that_others_changed_since_are_not_taken_over(talk: Talk) -> None:
    last = json.dumps(config_map(x="1", y="1"))
    await talk.ok("POST", f"{MAPS}?fieldManager=old", config_map(last, x="9", y="1"))
    code, refusal = await apply(talk, "kubectl", config_map(x="2", y="2"))
    assert (code, [cause["field"] for cause in refusal["details"]["causes"]]) == (409, [".data.x"])


async def test_fields_older_than_all_entries_are_not_taken_over(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map(x="1"))
    clear: Object = {"metadata": {"managedFields": [{}]}}
    await talk.ok("PATCH", f"{MAPS}/a", clear, content_type="application/merge-patch+json")
    code, refusal = await apply(talk, "kubectl", config_map(x="2"))
    assert (code, refusal["message"].partition(": ")[2]) == (
        409,
        'conflict with "before-first-apply" using v1: .data.x',
    )


@pytest.mark.parametrize("annotation", ["", "{", "[]", '{"apiVersion":"v2"}'])
def test_an_annotation_without_a_configuration(annotation: str) -> None:
    assert client_side.applied_before(config_map(annotation, x="1"), "v1", CONFIG_MAP) == {}


def test_only_fields_that_still_have_the_applied_value_count() -> None:
    live = config_map(json.dumps(config_map(x="1", y="1", z="1")), x="1", y="2")
    found = client_side.applied_before(live, "v1", CONFIG_MAP)
    assert list(fields.paths(found["f:data"])) == [".x"]


def test_an_object_without_the_annotation_gets_none() -> None:
    assert client_side.refreshed(config_map(x="1"), config_map(x="1")) == config_map(x="1")


@pytest.mark.parametrize(("size", "kept"), [(200_000, True), (300_000, False)])
def test_an_annotation_that_would_be_too_large_is_removed(size: int, kept: bool) -> None:
    refreshed = client_side.refreshed(config_map("{}", x="1"), config_map(x="1" * size))
    assert (ANNOTATION in refreshed["metadata"]["annotations"]) == kept
