from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.requests import Response
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import PODS, pod

SERVICES = "/api/v1/namespaces/default/services"


async def warnings(talk: Talk, path: str, body: dict[str, Any]) -> str:
    answer = await talk.answer("POST", path, body)
    assert isinstance(answer, Response)
    assert answer.code == 201, answer.body
    return " | ".join(answer.warnings)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "NodePort"}, "spec.type NodePort"),
        ({"type": "LoadBalancer"}, "spec.type LoadBalancer"),
        ({"sessionAffinity": "ClientIP"}, "spec.sessionAffinity ClientIP"),
        ({"internalTrafficPolicy": "Local"}, "spec.internalTrafficPolicy Local"),
        ({}, ""),
    ],
)
async def test_a_field_of_a_service_without_effect_gives_a_warning(
    talk: Talk, spec: dict[str, Any], expected: str
) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}}
    found = await warnings(talk, SERVICES, body)
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


async def test_host_ports_have_an_effect(talk: Talk) -> None:
    body = pod("web")
    body["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    assert await warnings(talk, PODS, body) == ""
