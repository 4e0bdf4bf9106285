"""kubectl 1.37 applies server-side: conflicts, force, migration from client-side apply, scale in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.conftest import Served
from tests.apiserver.custom.widgets import manifest, version

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: nginx, ports: [{containerPort: 80}]}
"""
FOLDER = Path(__file__).parents[4] / "shared/data"
DEFINITIONS = sorted(FOLDER.glob("gateway-api-*.yaml"))
"""Files of other projects, where they lie beside the checkout; a small definition of our own elsewhere."""

SSA = ("apply", "--server-side", "-f", "-")


async def entries(served: Served) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The entries of deployment web by manager, operation and subresource."""
    text = await served.kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields")
    found = json.loads(text)["metadata"]["managedFields"]
    return {(one["manager"], one["operation"], one.get("subresource", "")): one for one in found}


@pytest.mark.proves("kubectl-apply-server-side")
async def test_an_object_is_made_applied_again_and_shown_without_its_entries(served: Served) -> None:
    assert await served.kubectl(*SSA, stdin=DEPLOYMENT) == "deployment.apps/web serverside-applied\n"
    before = await served.kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields")
    assert await served.kubectl(*SSA, stdin=DEPLOYMENT) == "deployment.apps/web serverside-applied\n"
    assert await served.kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields") == before
    assert "managedFields" not in await served.kubectl("get", "deployment", "web", "-o", "yaml")
    own = (await entries(served))["kubectl", "Apply", ""]
    assert own["apiVersion"] == "apps/v1"
    assert own["fieldsV1"]["f:spec"]["f:replicas"] == {}
    container = own["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"main"}']
    assert container["f:ports"] == {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}


@pytest.mark.proves("apply-conflicts", "kubectl-apply-server-side")
async def test_a_conflict_has_upstreams_wording_and_can_be_forced(served: Served) -> None:
    await served.kubectl(*SSA, stdin=DEPLOYMENT)
    other = DEPLOYMENT.replace("replicas: 2", "replicas: 5").replace("image: nginx", "image: nginx:2")
    refusal = await served.kubectl(*SSA, "--field-manager=other", stdin=other, fails=True)
    assert 'Apply failed with 2 conflicts: conflicts with "kubectl":\n- .spec.replicas\n' in refusal
    assert '- .spec.template.spec.containers[name="main"].image\n' in refusal
    await served.kubectl(*SSA, "--field-manager=other", "--force-conflicts", stdin=other)
    assert await served.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "5"
    found = await entries(served)
    assert "f:replicas" not in found["kubectl", "Apply", ""]["fieldsV1"]["f:spec"]
    assert "f:replicas" in found["other", "Apply", ""]["fieldsV1"]["f:spec"]


async def test_scale_takes_replicas_until_the_configuration_leaves_them_out(served: Served) -> None:
    await served.kubectl(*SSA, stdin=DEPLOYMENT)
    await served.kubectl("scale", "deployment", "web", "--replicas=4")
    scaled = (await entries(served))["kubectl", "Update", "scale"]
    assert scaled["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    refusal = await served.kubectl(*SSA, stdin=DEPLOYMENT, fails=True)
    assert (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
        in refusal
    )
    await served.kubectl(*SSA, stdin=DEPLOYMENT.replace("  replicas: 2\n", ""))
    assert await served.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") == "4"


@pytest.mark.proves("apply-migration")
async def test_client_side_applied_fields_move_to_server_side_apply(served: Served) -> None:
    await served.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert ("kubectl-client-side-apply", "Update", "") in await entries(served)
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 3").replace("labels: {app: web}}\nspec", "labels: {}}\nspec")
    await served.kubectl(*SSA, stdin=changed)
    found = await entries(served)
    assert [key for key in found if "client-side" in key[0]] == []
    assert "f:replicas" in found["kubectl", "Apply", ""]["fieldsV1"]["f:spec"]
    shown = json.loads(await served.kubectl("get", "deployment", "web", "-o", "json"))
    assert shown["spec"]["replicas"] == 3
    assert "labels" not in shown["metadata"], "nobody owns the label any more"


@pytest.mark.proves("kubectl-diff", "dry-run")
async def test_a_dry_run_and_a_diff_change_nothing(served: Served) -> None:
    await served.kubectl(*SSA, "--dry-run=server", stdin=DEPLOYMENT)
    assert await served.kubectl("get", "deployments", "-o", "name") == ""
    await served.kubectl(*SSA, stdin=DEPLOYMENT)
    before = await entries(served)
    changed = DEPLOYMENT.replace("replicas: 2", "replicas: 7")
    await served.kubectl("diff", "--server-side", "-f", "-", stdin=DEPLOYMENT)
    await served.kubectl("diff", "--server-side", "-f", "-", stdin=changed, fails=True)
    assert await entries(served) == before


async def test_an_unknown_field_is_refused_with_its_path(served: Served) -> None:
    misspelt = DEPLOYMENT.replace("replicas: 2", "replica: 2")
    refusal = await served.kubectl(*SSA, "--validate=false", stdin=misspelt, fails=True)
    assert ".spec.replica: field not declared in schema" in refusal


@pytest.mark.proves("crd-gateway-api")
@pytest.mark.parametrize("name", [path.name for path in DEFINITIONS] or [""])
async def test_definitions_are_applied_as_they_are_published(served: Served, name: str) -> None:
    text = (FOLDER / name).read_text() if name else json.dumps(manifest(version()))
    refusal = (await served.kubectl(*SSA, stdin=text)).splitlines()
    assert refusal
    assert all(line.endswith("serverside-applied") for line in refusal)
    assert (await served.kubectl(*SSA, stdin=text)).splitlines() == refusal
