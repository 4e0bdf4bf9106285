"""The subresource `ephemeralcontainers`: what `kubectl debug` adds to a pod that runs."""

from typing import Any

import pytest

from tests.apiserver.conftest import Talk
from tests.apiserver.samples import PODS, STRATEGIC, pod

PATH = f"{PODS}/web/ephemeralcontainers"


def debugger(name: str = "debugger", **parts: Any) -> dict[str, Any]:
    return {"spec": {"ephemeralContainers": [{"name": name, "image": "busybox", **parts}]}}


@pytest.mark.proves("ephemeral-containers")
async def test_ephemeral_containers_are_added_by_their_path_alone(talk: Talk) -> None:
    made = await talk.ok("POST", PODS, pod())
    patched = await talk.ok("PATCH", PATH, debugger(targetContainerName="main", tty=True), content_type=STRATEGIC)
    (added,) = patched["spec"]["ephemeralContainers"]
    assert (added["name"], added["tty"], added["imagePullPolicy"]) == ("debugger", True, "Always")
    patched = await talk.ok("PATCH", PATH, debugger("second"), content_type=STRATEGIC)
    assert sorted(entry["name"] for entry in patched["spec"]["ephemeralContainers"]) == ["debugger", "second"]
    patched["spec"]["ephemeralContainers"].append({"name": "third", "image": "busybox"})
    patched["spec"]["containers"][0]["image"] = "other"
    put = await talk.ok("PUT", PATH, patched)
    assert len(put["spec"]["ephemeralContainers"]) == 3
    assert put["spec"]["containers"][0]["image"] == made["spec"]["containers"][0]["image"], "nothing else is touched"
    assert await talk.ok("GET", PATH) == await talk.ok("GET", f"{PODS}/web") == put


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "other"}, 'existing ephemeral containers "debugger" may not be changed'),
        ({"name": "other"}, 'existing ephemeral containers "debugger" may not be removed'),
    ],
)
async def test_ephemeral_containers_are_not_changed_or_removed(
    talk: Talk, change: dict[str, str], message: str
) -> None:
    await talk.ok("POST", PODS, pod())
    stored = await talk.ok("PATCH", PATH, debugger(), content_type=STRATEGIC)
    stored["spec"]["ephemeralContainers"][0].update(change)
    code, reason, *_ = refused = await talk.refused("PUT", PATH, stored)
    assert (code, reason) == (422, "Invalid")
    assert message in str(refused)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"name": "main"}, 'spec.ephemeralContainers[0].name: Duplicate value: "main"'),
        ({"targetContainerName": "nobody"}, 'targetContainerName: Not found: "nobody"'),
        ({"ports": [{"containerPort": 80}]}, "ports: Forbidden: cannot be set for an Ephemeral Container"),
        ({"resources": {"limits": {"cpu": "1"}}}, "resources: Forbidden: cannot be set for an Ephemeral Container"),
        ({"livenessProbe": {"exec": {"command": ["x"]}}}, "livenessProbe: Forbidden"),
    ],
)
async def test_wrong_ephemeral_containers_are_refused(talk: Talk, parts: dict[str, Any], message: str) -> None:
    await talk.ok("POST", PODS, pod())
    body = debugger()
    body["spec"]["ephemeralContainers"][0].update(parts)
    refused = await talk.refused("PATCH", PATH, body, content_type=STRATEGIC)
    assert refused[0] == 422
    assert message in str(refused).replace("\\'", "'")


async def test_other_paths_ignore_ephemeral_containers(talk: Talk) -> None:
    refused = await talk.refused("POST", PODS, pod(**debugger()["spec"]))
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in str(refused)
    await talk.ok("POST", PODS, pod())
    refused = await talk.refused("PATCH", f"{PODS}/web", debugger(), content_type=STRATEGIC)
    assert (refused[0], "pod updates may not change fields" in str(refused)) == (422, True)
    assert (await talk.refused("PATCH", f"{PODS}/gone/ephemeralcontainers", debugger(), content_type=STRATEGIC))[
        0
    ] == 404
