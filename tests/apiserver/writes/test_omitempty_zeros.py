"""Zeros that Go leaves out of a status."""

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.samples import DEPLOYMENTS, MERGE, deployment

SETS = "/apis/apps/v1/namespaces/default/replicasets"


async def test_counts_of_zero_are_absent_where_go_omits_them(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path, counts = f"{DEPLOYMENTS}/web/status", {"replicas": 2, "unavailableReplicas": 2, "collisionCount": 0}
    told = await talk.ok("PATCH", path, {"status": counts}, content_type=MERGE)
    assert told["status"] == {"replicas": 2, "unavailableReplicas": 2, "collisionCount": 0}
    told = await talk.ok("PATCH", path, {"status": {"unavailableReplicas": 0}}, content_type=MERGE)
    assert told["status"] == {"replicas": 2, "collisionCount": 0}


async def test_saying_zero_again_is_no_change(talk: Talk) -> None:
    await talk.ok("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web/status"
    first = await talk.ok("PATCH", path, {"status": {"replicas": 1}}, content_type=MERGE)
    again = await talk.ok("PATCH", path, {"status": {"readyReplicas": 0}}, content_type=MERGE)
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
async def test_counts_that_go_always_writes_stay(talk: Talk, kind: str) -> None:
    path = SETS.replace("replicasets", f"{kind.lower()}s")
    await talk.ok("POST", path, {**deployment(), "kind": kind})
    told = await talk.ok("PATCH", f"{path}/web/status", {"status": {"replicas": 0}}, content_type=MERGE)
    assert told["status"]["replicas"] == 0
