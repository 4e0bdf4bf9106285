"""HorizontalPodAutoscalers: stored as autoscaling/v2, served as v1 too."""

from typing import Any

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.bodies.protobuf.envelope import MEDIA_TYPE
from podwire.apiserver.kinds import conversion_hpa
from tests.apiserver.bodies.protobuf.encoder import body
from tests.apiserver.conftest import Talk

OLD = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
NEW = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
MEMORY = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "64Mi"}},
}


def processor(percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def of_version_1(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec},
    }


async def test_an_old_client_creates_and_a_new_one_reads(talk: Talk) -> None:
    sent = of_version_1(targetCPUUtilizationPercentage=70)
    made = await talk.ok("POST", OLD, body(sent), content_type=MEDIA_TYPE)
    assert (made["apiVersion"], made["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 70)
    found = await talk.ok("GET", f"{NEW}/web")
    assert (found["apiVersion"], found["spec"]["metrics"], found["spec"]["minReplicas"]) == (
        "autoscaling/v2",
        [processor(70)],
        1,
    )
    assert "targetCPUUtilizationPercentage" not in found["spec"]


async def test_both_versions_show_the_same_row(talk: Talk) -> None:
    await talk.ok("POST", OLD, of_version_1(targetCPUUtilizationPercentage=70))
    rows = []
    for path in (OLD, NEW):
        table = await talk.ok("GET", path, accept=TABLE)
        rows.append(table["rows"][0]["cells"][:4])
    assert rows == [["web", "Deployment/web", "cpu: <unknown>/70%", "1"]] * 2


async def test_version_2_is_preferred_and_both_are_found(talk: Talk) -> None:
    group = await talk.ok("GET", "/apis/autoscaling")
    assert [version["version"] for version in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"]["version"] == "v2"


async def test_an_old_client_loses_nothing_that_its_version_lacks(talk: Talk) -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 5}}
    new = {**of_version_1(metrics=[processor(60), MEMORY], behavior=behavior), "apiVersion": "autoscaling/v2"}
    await talk.ok("POST", NEW, new)
    old = await talk.ok("GET", f"{OLD}/web")
    assert old["spec"]["targetCPUUtilizationPercentage"] == 60
    assert "metrics" not in old["spec"]
    old["spec"]["maxReplicas"] = 9
    await talk.ok("PUT", f"{OLD}/web", old)
    after = await talk.ok("GET", f"{NEW}/web")
    assert (after["spec"]["maxReplicas"], after["spec"]["metrics"]) == (9, [processor(60), MEMORY])
    assert after["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 5
    assert "annotations" not in after["metadata"]


async def test_a_watch_of_version_1_has_version_1(talk: Talk) -> None:
    await talk.ok("POST", NEW, {**of_version_1(metrics=[processor(60)]), "apiVersion": "autoscaling/v2"})
    (event,) = await talk.watch(f"{OLD}?watch=true&resourceVersion=0")
    assert event["object"]["spec"]["targetCPUUtilizationPercentage"] == 60


def test_the_status_is_converted_both_ways() -> None:
    used = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 41}}}
    state = {
        "currentReplicas": 2,
        "desiredReplicas": 2,
        "currentMetrics": [used],
        "conditions": [{"type": "AbleToScale"}],
    }
    new = {**of_version_1(metrics=[processor(60)]), "apiVersion": "autoscaling/v2", "status": state}
    old = conversion_hpa.served(new)
    assert old["status"] == {"currentReplicas": 2, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 41}
    assert conversion_hpa.stored(old) == new


@pytest.mark.parametrize("text", ["[{", "5", "{}", "[5]"])
def test_an_annotation_of_another_form_is_refused_by_its_name(text: str) -> None:
    broken = of_version_1(targetCPUUtilizationPercentage=70)
    broken["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": text}
    with pytest.raises(StatusError, match=r"autoscaling\.alpha\.kubernetes\.io/metrics"):
        conversion_hpa.stored(broken)


async def test_an_annotation_must_fit_what_is_stored(talk: Talk) -> None:
    """Else reading it back would fail, and every list with it."""
    broken = of_version_1()
    broken["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": '[{"resource": 5}]'}
    assert (await talk.refused("POST", OLD, broken))[:2] == (400, "BadRequest")
    assert (await talk.ok("GET", OLD))["items"] == []
