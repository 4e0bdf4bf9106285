"""Metrics of a server, and the static paths that monitoring and clients read."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from podwire.apiserver.base.requests import Response
from podwire.apiserver.documents.metrics import ServerMetrics
from tests.apiserver.conftest import Talk
from tests.apiserver.samples import MAPS, config_map


async def values(talk: Talk) -> dict[tuple[str, ...], float]:
    answer = await talk.answer("GET", "/metrics")
    assert isinstance(answer, Response)
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, *(f"{name}={value}" for name, value in sample.labels.items() if value)): sample.value
        for family in families
        for sample in family.samples
    }


async def test_requests_are_counted_by_kind_and_outcome(talk: Talk) -> None:
    await talk.ok("POST", MAPS, config_map())
    await talk.refused("POST", MAPS, config_map())
    await talk.watch(f"{MAPS}?watch=true")
    for path in ("/api/v1/namespaces/default/toasters/a", f"{MAPS}/a/toast"):
        await talk.refused("GET", path)
    found = await values(talk)
    created = ("apiserver_request_total", "verb=create", "version=v1", "resource=configmaps")
    assert (found[*created, "code=201"], found[*created, "code=409"]) == (1, 1)
    assert found["apiserver_resource_objects", "resource=configmaps"] >= 1
    assert found["apiserver_registered_watchers",] == 1
    assert found["process_start_time_seconds",] > 1.7e9
    assert not any("toast" in part for key in found for part in key), "names that clients invent are no labels"


async def test_numbers_of_services_are_counted_by_range(talk: Talk) -> None:
    ports, addresses = "kube_apiserver_nodeport_allocator", "kube_apiserver_clusterip_allocator"
    before = await values(talk)
    spec = {"type": "NodePort", "ports": [{"port": 80}]}
    await talk.ok("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": spec})
    after = await values(talk)
    assert after[f"{ports}_allocated_ports",] == 1
    assert after[f"{ports}_available_ports",] == 2767
    for state, step in (("allocated", 1), ("available", -1)):
        key = (f"{addresses}_{state}_ips", "cidr=10.96.0.0/16")
        assert after[key] == before[key] + step
        assert (f"{addresses}_{state}_ips", "cidr=fd00:10:96::/112") in after


def test_texts_of_labels_are_escaped() -> None:
    metrics = ServerMetrics()
    metrics.count(('a"b', "\\", "\n", "", ""), 200)
    (family,) = [one for one in text_string_to_metric_families(metrics.answer().body.decode()) if one.type == "counter"]
    assert family.samples[0].labels["verb"] == 'a"b'
    assert (family.samples[0].labels["group"], family.samples[0].labels["version"]) == ("\\", "\n")


@pytest.mark.parametrize(
    "path", ["/healthz", "/livez", "/readyz", "/api", "/apis", "/metrics", "/openapi/v2", "/version"]
)
async def test_static_paths_are_served_and_listed(talk: Talk, path: str) -> None:
    answer = await talk.answer("GET", path)
    assert isinstance(answer, Response)
    assert answer.code == 200
    paths = (await talk.ok("GET", "/"))["paths"]
    assert path in paths
    assert paths == sorted(paths)


async def test_every_listed_path_is_served(talk: Talk) -> None:
    for path in (await talk.ok("GET", "/"))["paths"]:
        answer = await talk.answer("GET", path)
        assert isinstance(answer, Response)
        assert answer.code == 200, path
    assert (await talk.as_user("eve").refused("GET", "/metrics"))[0] == 403
