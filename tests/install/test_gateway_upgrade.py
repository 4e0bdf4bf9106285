"""Gateways taken into an installation and out of it, against a cluster of objects in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec
import pytest

from podwire.edge.controller import fleet
from podwire.install import (
    cluster_objects,
    condition,
    gateway_definitions,
    installation,
    own_definitions,
    readiness,
    revisions,
)
from podwire.install.manifests.manifest import MANAGER_LABEL, Manifest, manifest
from podwire.install.revisions import Revision, of_settings
from podwire.kube.client import Client
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import DEPLOYMENTS, Kind
from podwire.kube.meta import NamespacedName
from tests.install.cluster import SETTINGS
from tests.install.test_removal import Body, MemoryCluster

WITH = of_settings(msgspec.structs.replace(SETTINGS, gateway_api="standard"))
WITHOUT = of_settings(SETTINGS)
MESH_KINDS = ("authorizationpolicies", "backendpolicies", "requestauthentications", "transportpolicies")
ROUTES = ("customresourcedefinitions", NamespacedName("", "httproutes.gateway.networking.k8s.io"))


class Applying(MemoryCluster):
    """Takes what is applied; definitions are served at once."""

    async def apply(self, kind: Kind[Any], key: NamespacedName, body: Body, _: str) -> None:
        self.log.append(f"apply {kind.resource} {key.name}")
        status = {"conditions": [{"type": "Established", "status": "True"}]}
        self.objects[kind.resource, key] = {**body, "status": status} if kind.kind.endswith("Definition") else body


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Applying:
    """An empty cluster, in which everything is ready at once."""
    found = Applying()

    async def ready(*_: object) -> None:
        return

    async def apply(_: object, objects: Iterable[Manifest], report: Callable[[str], None]) -> None:
        for one in objects:
            found.add(one)
            found.log.append(f"apply {one.kind.resource} {one.key.name}")
            report(str(one))

    monkeypatch.setattr(condition, "LOOK_SECONDS", 0)
    monkeypatch.setattr(readiness, "agents", ready)
    monkeypatch.setattr(readiness, "deployments", ready)
    monkeypatch.setattr(cluster_objects, "apply", apply)
    return found


def bring(cluster: Applying, wanted: Revision, *before: Revision) -> None:
    known: revisions.Revisions = {}
    for one in before:
        known = revisions.added(known, one)
    asyncio.run(installation.bring(cast("Client", cluster), wanted, known, lambda _: None, 1.0))


def test_podwires_own_definitions_come_with_any_installation_and_stay(cluster: Applying) -> None:
    names = [f"{kind}.mesh.podwire.dev" for kind in MESH_KINDS] + ["egressgateways.podwire.dev"]
    own = {("customresourcedefinitions", NamespacedName("", name)) for name in names}
    bring(cluster, WITHOUT)
    assert own <= set(cluster.objects)
    assert {cluster.objects[one]["metadata"]["labels"][MANAGER_LABEL] for one in own} == {"podwire"}
    existing = [msgspec.convert({"metadata": {"name": name}}, gateway_definitions.Definition) for name in names]
    assert list(own_definitions.changes(existing)) == []
    assert sorted(own_definitions.changes(())) == [f"create customresourcedefinition {name}" for name in sorted(names)]
    bring(cluster, WITHOUT, WITH)
    assert own <= set(cluster.objects)


def test_definitions_come_first_and_the_controllers_pods_after_the_agents(cluster: Applying) -> None:
    bring(cluster, WITH)
    order = [
        "apply customresourcedefinitions gateways.gateway.networking.k8s.io",
        "apply namespaces podwire-system",
        "apply clusterroles podwire:gateway-controller",
        "apply daemonsets podwire-agent",
        "apply deployments podwire-gateway-controller",
    ]
    assert [line for line in cluster.log if line in order] == order


def test_an_upgrade_without_them_ends_controller_and_envoys_and_keeps_the_definitions(cluster: Applying) -> None:
    bring(cluster, WITH)
    cluster.add(manifest(DEPLOYMENTS, "envoy-podwire", fleet.labels("podwire"), namespace=PROXIES))
    cluster.log.clear()
    bring(cluster, WITHOUT, WITH)
    order = [
        "delete deployments podwire-gateway-controller",
        "delete deployments envoy-podwire",
        "delete clusterroles podwire:gateway-controller",
        "delete namespaces podwire-system",
    ]
    assert [line for line in cluster.log if line in order] == order
    assert ROUTES in cluster.objects
    assert ("deployments", NamespacedName("kube-system", "podwire-dns")) in cluster.objects


def test_definitions_of_another_program_are_left_and_named(cluster: Applying) -> None:
    body = gateway_definitions.published("standard")[0]
    labels = {"metadata": {**body["metadata"], "labels": {}}}
    cluster.add(Manifest(gateway_definitions.DEFINITIONS, {**body, **labels}))
    said: list[str] = []
    asyncio.run(gateway_definitions.bring(cast("Client", cluster), "standard", said.append))
    assert not cluster.log
    assert "stays as it is: v1.6.3 standard; " in said[0]
