"""`podwire install` against an API server: what it applies, what it refuses, and what it says of agents that fail.

No agent can run in a pod of a world, as none gets SYS_ADMIN there: `make cluster` proves the rest on a real cluster.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from podwire.install import cluster_objects, connection, kube_proxy, revisions
from podwire.install.manifests import agent_daemon_set, gateway_deployment
from podwire.install.manifests.rights import rights
from podwire.kube import kubeconfig
from podwire.testing import Home, World
from tests.install.cluster import SETTINGS
from tests.install.test_chart import CHART, helm
from tests.world.harness import PODWIRE, running

KUBE_PROXY = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system, labels: {k8s-app: kube-proxy}}
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template:
    metadata: {labels: {k8s-app: kube-proxy}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      nodeSelector: {kubernetes.io/os: linux}
      containers: [{name: kube-proxy, image: registry.k8s.io/kube-proxy}]
"""
GATEWAY_CONTROLLER = f"deployment.apps/{gateway_deployment.NAME}"
ACCOUNT = "system:serviceaccount:kube-system:podwire-agent"
AGENT_SELECTOR = ("-n", "kube-system", "daemonset", "kube-proxy", "-o", "jsonpath={.spec.template.spec.nodeSelector}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of its own: podwire's roles are bound to other subjects than a world's."""
    yield from running(Home(tmp_path_factory.mktemp("install")), "install", "--nodes", "1")


def podwire(world: World, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (PODWIRE, verb, "--kubeconfig", str(world.kubeconfig), *arguments)
    return subprocess.run(command, env=world.environment, capture_output=True, text=True, check=False, timeout=110)


def test_manifests_are_accepted_by_the_server_as_they_are(world: World, tmp_path: Path) -> None:
    printed = podwire(world, "install", "-o", "yaml")
    assert printed.returncode == 0, printed.stderr
    assert "from ServiceCIDR objects" in printed.stderr
    assert "Service kube-system/kube-dns exists and keeps its address" in printed.stderr
    file = tmp_path / "podwire.yaml"
    file.write_text(printed.stdout)
    done = world.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(file)).stdout
    assert "daemonset.apps/podwire-agent created (server dry run)" in done.splitlines()


@pytest.mark.long
def test_a_kube_proxy_is_refused_or_ended_and_comes_back(world: World) -> None:
    world.apply(KUBE_PROXY)
    world.kubectl("-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=60s")
    refused = podwire(world, "install")
    assert refused.returncode == 1
    assert "DaemonSet kube-system/kube-proxy runs" in refused.stderr
    assert "--replace-kube-proxy" in refused.stderr
    credentials = kubeconfig.load(world.kubeconfig)
    said: list[str] = []
    connection.run(credentials, functools.partial(kube_proxy.end, report=said.append))
    assert not world.kubectl("-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-proxy", "-o", "name").stdout
    connection.run(credentials, functools.partial(kube_proxy.end, report=said.append))
    assert len(said) == 1, "it is ended once"
    connection.run(credentials, functools.partial(kube_proxy.start, report=said.append))
    assert world.kubectl("get", *AGENT_SELECTOR).stdout == '{"kubernetes.io/os":"linux"}'
    assert len(said) == 2
    world.kubectl("-n", "kube-system", "delete", "daemonset", "kube-proxy")


@pytest.mark.long
def test_what_is_wrong_is_said_with_object_reason_and_remedy(world: World) -> None:
    plan = podwire(world, "install", "--dry-run")
    assert "create daemonset kube-system/podwire-agent" in plan.stdout.splitlines()
    assert podwire(world, "upgrade").stderr.startswith("podwire: there is no ConfigMap kube-system/podwire-revisions")
    result = podwire(world, "install", "--no-dns", "--timeout", "60")
    assert result.returncode == 1
    assert "daemonset kube-system/podwire-agent applied" in result.stdout.splitlines()
    assert "on node node-1: container agent: CreateContainerConfigError" in result.stderr
    assert "describe pod podwire-agent-" in result.stderr
    managers = "jsonpath={.metadata.managedFields[?(@.operation=='Apply')].manager}"
    assert world.kubectl("-n", "kube-system", "get", "daemonset", "podwire-agent", "-o", managers).stdout == "podwire"
    again = podwire(world, "install", "--dry-run")
    assert again.stdout == "nothing would change\n", "--no-dns stays"
    assert "podwire is installed here" in again.stderr
    changed = podwire(world, "upgrade", "--dry-run", "--overlay", "vxlan")
    assert "revision 1: podwire:" in changed.stdout
    assert ".containers[agent].args: nothing -> --overlay=vxlan" in changed.stdout


def test_an_agent_may_read_pods_and_no_secrets(world: World) -> None:
    objects = tuple(rights(SETTINGS, agent_daemon_set.COMPONENT))
    applied = functools.partial(cluster_objects.apply, objects=objects, report=lambda _: None)
    connection.run(kubeconfig.load(world.kubeconfig), applied)
    for question, answer in {
        "list pods": "yes",
        "watch networkpolicies": "yes",
        "get secrets": "no",
        "list secrets": "no",
        "watch secrets": "no",
        "get configmaps": "no",
        "create pods": "no",
        "get nodes --subresource=proxy": "no",
        "create serviceaccounts --subresource=token": "no",
    }.items():
        result = world.kubectl("auth", "can-i", *question.split(), "-A", f"--as={ACCOUNT}", check=False)
        assert result.stdout.split()[0] == answer, question


def deployments(world: World) -> list[str]:
    return world.kubectl("-n", "kube-system", "get", "deployments", "-o", "name").stdout.split()


@pytest.mark.long
def test_the_objects_of_helm_are_left_to_helm(world: World, tmp_path: Path) -> None:
    credentials = kubeconfig.load(world.kubeconfig)
    known = connection.run(credentials, cluster_objects.read_revisions)
    wanted = revisions.newest(known)
    assert wanted is not None
    connection.run(
        credentials, functools.partial(cluster_objects.delete, objects=wanted.manifests, report=lambda _: None)
    )
    values = tmp_path / "values.yaml"
    values.write_text(podwire(world, "install", "-o", "helm").stdout)
    assert yaml.safe_load(values.read_text())["podCIDRs"]
    release = ("podwire", "-n", "kube-system", "--kubeconfig", str(world.kubeconfig))
    helm(tmp_path, "install", *release[:1], str(CHART), *release[1:], "-f", str(values), "--take-ownership")
    try:
        for verb, remedy in (("install", "helm upgrade"), ("uninstall", "helm uninstall")):
            result = podwire(world, verb)
            assert (result.returncode, remedy in result.stderr) == (1, True), result.stderr
        values.write_text(podwire(world, "install", "-o", "helm", "--gateway-api", "standard").stdout)
        helm(tmp_path, "upgrade", *release[:1], str(CHART), *release[1:], "-f", str(values), "--take-ownership")
        assert GATEWAY_CONTROLLER in deployments(world), "an upgrade adds a part"
        helm(tmp_path, "rollback", "podwire", "1", *release[1:])
        assert GATEWAY_CONTROLLER not in deployments(world), "and going back removes it"
    finally:
        helm(tmp_path, "uninstall", *release)
    assert not world.kubectl("-n", "kube-system", "get", "daemonsets", "-o", "name").stdout
