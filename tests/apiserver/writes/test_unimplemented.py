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
    "spec",
    [
        {"type": "NodePort"},
        {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
        {"sessionAffinity": "ClientIP", "internalTrafficPolicy": "Local", "trafficDistribution": "PreferSameZone"},
    ],
)
async def test_all_fields_of_a_service_have_an_effect(talk: Talk, spec: dict[str, Any]) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}], **spec}}
    assert await warnings(talk, SERVICES, body) == ""


async def test_an_object_without_effect_gives_a_warning(talk: Talk) -> None:
    body = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
    expected = "podwire stores this ResourceQuota and does not act on it: nothing is counted or refused"
    assert await warnings(talk, "/api/v1/namespaces/default/resourcequotas", body) == expected


async def test_host_ports_have_an_effect(talk: Talk) -> None:
    body = pod("web")
    body["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    assert await warnings(talk, PODS, body) == ""
