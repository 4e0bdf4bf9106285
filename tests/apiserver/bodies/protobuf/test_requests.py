"""Requests with protobuf bodies on every path that takes an object."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.bodies.protobuf.envelope import MEDIA_TYPE
from tests.apiserver.bodies.protobuf.encoder import body, encode, envelope
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import DEPLOYMENTS, MAPS, PODS, config_map, deployment, pod

DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


def delete_options(group_version: str, **options: Any) -> bytes:
    return envelope(group_version, "DeleteOptions", encode(DELETE_OPTIONS, options))


@pytest.mark.proves("protobuf-bodies")
async def test_objects_are_created_and_replaced(talk: Talk) -> None:
    made = await talk.ok("POST", MAPS, body(config_map(data={"x": "1"})), content_type=MEDIA_TYPE)
    assert made["data"] == {"x": "1"}
    changed = await talk.ok("PUT", f"{MAPS}/a", body(config_map(data={"x": "2"})), content_type=MEDIA_TYPE)
    assert changed["data"] == {"x": "2"}
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]


@pytest.mark.proves("protobuf-bodies")
async def test_deletes_have_options(talk: Talk) -> None:
    made = await talk.ok("POST", DEPLOYMENTS, body(deployment()), content_type=MEDIA_TYPE)
    wrong = delete_options("apps/v1", preconditions={"uid": "another"})
    assert (await talk.refused("DELETE", f"{DEPLOYMENTS}/web", wrong, content_type=MEDIA_TYPE))[0] == 409
    right = delete_options("apps/v1", preconditions={"uid": made["metadata"]["uid"]}, propagationPolicy="Foreground")
    left = await talk.ok("DELETE", f"{DEPLOYMENTS}/web", right, content_type=MEDIA_TYPE)
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_a_deployment_is_scaled(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, body(deployment()), content_type=MEDIA_TYPE)
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 4}}
    answer = await talk.ok("PUT", f"{DEPLOYMENTS}/web/scale", body(scale), content_type=MEDIA_TYPE)
    assert answer["spec"]["replicas"] == 4


async def test_a_pod_is_bound_then_evicted(talk: Talk) -> None:
    await talk.ok("POST", PODS, body(pod()), content_type=MEDIA_TYPE)
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    await talk.ok("POST", f"{PODS}/web/binding", body(binding), content_type=MEDIA_TYPE)
    assert (await talk.ok("GET", f"{PODS}/web"))["spec"]["nodeName"] == "n1"
    options = {"gracePeriodSeconds": 0}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}, "deleteOptions": options}
    await talk.ok("POST", f"{PODS}/web/eviction", body(eviction), content_type=MEDIA_TYPE)
    assert (await talk.refused("GET", f"{PODS}/web"))[0] == 404


async def test_a_status_is_written(talk: Talk) -> None:
    await talk.ok("POST", PODS, body(pod()), content_type=MEDIA_TYPE)
    running = {**pod(), "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}], "podIP": "10.244.1.2"}}
    written = await talk.ok("PUT", f"{PODS}/web/status", body(running), content_type=MEDIA_TYPE)
    assert (written["status"]["phase"], written["status"]["podIP"]) == ("Running", "10.244.1.2")


async def test_another_kind_than_the_path_has_is_refused(talk: Talk) -> None:
    code, _, message = await talk.refused("POST", MAPS, body(pod()), content_type=MEDIA_TYPE)
    assert (code, "Pod" in message) == (400, True)
