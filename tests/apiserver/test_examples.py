"""The manifests of examples/services are accepted as they are, with one Service of each kind."""

from pathlib import Path
from typing import Any

import yaml

from podwire.apiserver.base.requests import Response
from tests.apiserver.conftest import Talk

FOLDER = Path(__file__).parents[2] / "examples/services"
PATHS = {
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
    "Pod": "/api/v1/namespaces/default/pods",
    "Service": "/api/v1/namespaces/default/services",
}


def manifests() -> list[dict[str, Any]]:
    return [one for file in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]


async def test_every_manifest_is_accepted_without_a_warning(talk: Talk) -> None:
    for manifest in manifests():
        answer = await talk.answer("POST", f"{PATHS[manifest['kind']]}?fieldValidation=Strict", manifest)
        assert isinstance(answer, Response)
        assert answer.code == 201, (manifest["metadata"]["name"], answer.body)
        assert not answer.warnings


def test_each_kind_of_service_is_there() -> None:
    specs = [one["spec"] for one in manifests() if one["kind"] == "Service"]
    types = {"Headless" if one.get("clusterIP") == "None" else one.get("type", "ClusterIP") for one in specs}
    assert types == {"ClusterIP", "Headless", "ExternalName", "NodePort", "LoadBalancer"}
    fields = {field for one in specs for field in one}
    assert fields >= {"sessionAffinity", "internalTrafficPolicy", "externalTrafficPolicy", "trafficDistribution"}
    assert fields >= {"ipFamilyPolicy", "loadBalancerSourceRanges"}
