from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.access.service_accounts import MOUNT_PATH
from tests.apiserver.access.things import ACCOUNTS, PODS, pod
from tests.apiserver.conftest import Talk


def mounts(made: dict[str, Any], part: str = "containers") -> list[str]:
    return [mount["mountPath"] for one in made["spec"][part] for mount in one.get("volumeMounts", ())]


async def test_a_pod_is_the_default_account_and_finds_its_token(talk: Talk) -> None:
    init = [{"name": "i", "image": "i"}]
    made = await talk.ok("POST", PODS, pod("web", initContainers=init))
    assert (made["spec"]["serviceAccountName"], made["spec"]["serviceAccount"]) == ("default", "default")
    (volume,) = made["spec"]["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    kinds = [next(iter(source)) for source in volume["projected"]["sources"]]
    assert kinds == ["serviceAccountToken", "configMap", "downwardAPI"]
    assert mounts(made) == mounts(made, "initContainers") == [MOUNT_PATH]
    assert made["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] is True


async def test_the_pods_of_an_account_have_the_same_spec(talk: Talk) -> None:
    first, second = [await talk.ok("POST", PODS, pod(name)) for name in ("a", "b")]
    assert first["spec"] == second["spec"]
    await talk.ok("POST", ACCOUNTS, {"metadata": {"name": "own"}})
    other = await talk.ok("POST", PODS, pod("c", serviceAccountName="own"))
    assert other["spec"]["volumes"][0]["name"] != first["spec"]["volumes"][0]["name"]


@pytest.mark.parametrize(
    ("of_account", "of_pod", "mounted"),
    [
        ({}, {}, True),
        ({"automountServiceAccountToken": False}, {}, False),
        ({"automountServiceAccountToken": False}, {"automountServiceAccountToken": True}, True),
        ({}, {"automountServiceAccountToken": False}, False),
    ],
)
async def test_the_pods_setting_precedes_its_accounts(
    talk: Talk, of_account: dict[str, Any], of_pod: dict[str, Any], mounted: bool
) -> None:
    await talk.ok("POST", ACCOUNTS, {"metadata": {"name": "own"}, **of_account})
    made = await talk.ok("POST", PODS, pod("web", serviceAccountName="own", **of_pod))
    assert (MOUNT_PATH in mounts(made)) is mounted
    assert ("volumes" in made["spec"]) is mounted


async def test_a_containers_own_mount_stays(talk: Talk) -> None:
    own = {"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": MOUNT_PATH}]}
    made = await talk.ok("POST", PODS, pod("web", volumes=[{"name": "v", "emptyDir": {}}], containers=[own]))
    assert [volume["name"] for volume in made["spec"]["volumes"]] == ["v"]
    assert mounts(made) == [MOUNT_PATH]


async def test_a_pod_without_its_account_is_refused(talk: Talk) -> None:
    code, reason, text = await talk.refused("POST", PODS, pod("web", serviceAccountName="none"))
    assert (code, reason) == (403, "Forbidden")
    assert text == (
        'pods "web" is forbidden: error looking up service account default/none: serviceaccount "none" not found'
    )


async def test_a_pod_gets_its_accounts_pull_secrets(talk: Talk) -> None:
    await talk.ok("POST", ACCOUNTS, {"metadata": {"name": "own"}, "imagePullSecrets": [{"name": "s"}]})
    made = await talk.ok("POST", PODS, pod("web", serviceAccountName="own"))
    assert made["spec"]["imagePullSecrets"] == [{"name": "s"}]
    other = await talk.ok("POST", PODS, pod("b", serviceAccountName="own", imagePullSecrets=[{"name": "t"}]))
    assert other["spec"]["imagePullSecrets"] == [{"name": "t"}]


async def test_a_change_of_a_pod_adds_nothing(talk: Talk) -> None:
    made = await talk.ok("POST", PODS, pod("web", automountServiceAccountToken=False))
    made["metadata"]["labels"] = {"a": "b"}
    changed = await talk.ok("PUT", f"{PODS}/web", made)
    assert mounts(changed) == []
