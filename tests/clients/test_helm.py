"""helm: a small chart is installed, upgraded, tested, rolled back and uninstalled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podwire.testing import World

pytestmark = pytest.mark.long

HELM = Path(sys.executable).parents[1] / "clients" / "helm"
CHART = str(Path(__file__).parent / "chart")
WAIT = ("--wait", "--timeout", "90s")


class Helm:
    """helm in the namespace of a world; its own files are in a folder of the test."""

    def __init__(self, world: World, folder: Path) -> None:
        homes = {f"HELM_{name}_HOME": str(folder / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**world.environment, **homes, "HELM_NAMESPACE": world.namespace}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if not HELM.exists():
            pytest.fail(f"{HELM} is not there: helm is to be had for x86_64 only")
        return subprocess.run(
            (str(HELM), *arguments), env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )

    def __call__(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, f"helm {' '.join(arguments)}\n{result.stdout}{result.stderr}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def helm(world: World, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    world.kubectl("create", "configmap", "outside", "--from-literal=a=1")
    return Helm(world, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def installed(helm: Helm) -> Helm:
    helm("install", "shop", CHART, *WAIT)
    return helm


def settings(world: World) -> dict[str, str]:
    data: dict[str, str] = world.kubectl.json("configmap", "shop-settings")["data"]
    return data


def revisions(helm: Helm) -> list[tuple[int, str]]:
    return [(one["revision"], one["status"]) for one in helm.json("history", "shop")]


@pytest.mark.proves("client-helm")
def test_install_waits_and_sees_the_cluster(installed: Helm, world: World) -> None:
    assert revisions(installed) == [(1, "deployed")]
    assert settings(world) == {
        "greeting": "hello",
        "revision": "1",
        "kubernetes": "37",
        "policies": "true",
        "found": '{"a":"1"}',
    }
    assert world.jsonpath("deployment shop", "{.status.readyReplicas}") == "1"
    assert world.jsonpath("till shop", "{.spec.drawers}") == "1"
    assert world.jsonpath("job shop-prepare", "{.status.succeeded}") == "1"
    labels = world.kubectl.json("deployment", "shop")["metadata"]
    assert labels["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert labels["annotations"]["meta.helm.sh/release-name"] == "shop"


@pytest.mark.proves("client-helm", "dry-run")
def test_a_dry_run_on_the_server_looks_up_and_changes_nothing(installed: Helm, world: World) -> None:
    manifest = installed("install", "dry", CHART, "--dry-run=server")
    assert 'found: "{\\"a\\":\\"1\\"}"' in manifest
    assert installed.json("list", "--all", "--filter", "dry") == []
    assert world.kubectl("get", "deployment", "dry", "--ignore-not-found").stdout == ""


@pytest.mark.proves("client-helm")
def test_the_charts_own_test_runs_in_a_pod(installed: Helm) -> None:
    said = installed("test", "shop", "--logs", "--timeout", "90s")
    assert "Phase:          Succeeded" in said
    assert "podwire stand-in for nginx" in said


@pytest.mark.proves("client-helm")
def test_upgrade_changes_adds_and_removes_and_rollback_undoes_it(installed: Helm, world: World) -> None:
    values = ("--set", "greeting=bye", "--set", "tag=2", "--set", "replicas=2", "--set", "closed=false")
    installed("upgrade", "shop", CHART, *values, *WAIT)
    assert (settings(world)["greeting"], settings(world)["revision"]) == ("bye", "2")
    assert world.jsonpath("deployment shop", "{.status.updatedReplicas}") == "2"
    assert world.kubectl("get", "networkpolicy", "-o", "name").stdout == ""
    assert installed.json("get", "values", "shop")["tag"] == 2
    installed("rollback", "shop", "1", *WAIT)
    assert (settings(world)["greeting"], settings(world)["revision"]) == ("hello", "1")
    assert world.jsonpath("deployment shop", "{.spec.template.spec.containers[0].image}") == "nginx:1"
    assert world.kubectl("get", "networkpolicy", "-o", "name").stdout == "networkpolicy.networking.k8s.io/shop\n"
    assert revisions(installed) == [(1, "superseded"), (2, "superseded"), (3, "deployed")]


@pytest.mark.proves("client-helm")
def test_a_hook_that_fails_fails_the_upgrade(installed: Helm, world: World) -> None:
    failed = installed.run("upgrade", "shop", CHART, "--set", "tag=broken", *WAIT)
    assert failed.returncode == 1
    assert "pre-upgrade hooks failed" in failed.stderr
    assert "BackoffLimitExceeded" in failed.stderr
    assert revisions(installed)[-1][1] == "failed"
    assert world.jsonpath("deployment shop", "{.spec.template.spec.containers[0].image}") == "nginx:1"


@pytest.mark.proves("client-helm")
def test_what_another_owns_is_not_taken(installed: Helm, world: World) -> None:
    world.kubectl("create", "configmap", "taken-settings")
    refused = installed.run("install", "taken", CHART)
    where = f'in namespace "{world.namespace}"'
    assert f'ConfigMap "taken-settings" {where} exists and cannot be imported' in refused.stderr
    world.kubectl("delete", "configmap", "taken-settings")


@pytest.mark.proves("client-helm")
def test_uninstall_leaves_only_what_a_chart_may_not_delete(installed: Helm, world: World) -> None:
    assert installed("uninstall", "shop", *WAIT) == 'release "shop" uninstalled\n'
    left = world.kubectl("get", "deployment,service,networkpolicy,configmap,till", "-o", "name").stdout.split()
    assert sorted(left) == ["configmap/kube-root-ca.crt", "configmap/outside"]
    assert world.kubectl("get", "crd", "tills.shop.example.com", "-o", "name").stdout
    assert world.kubectl("get", "secrets", "-l", "owner=helm", "-o", "name").stdout == ""
    assert installed.json("list", "--all") == []
