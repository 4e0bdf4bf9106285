"""In which order an uninstall works, against a cluster of objects in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from podwire.edge.controller import fleet
from podwire.edge.controller.gateway_service import GATEWAY_LABEL, MANAGED_BY_LABEL
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.ingress.kinds import INGRESSES
from podwire.install import cluster_objects, condition, gateway_cleanup, removal, revisions
from podwire.install.manifests.manifest import MANAGER_LABEL, Manifest, manifest, selecting_labels
from podwire.install.restore_pods import NAME_PREFIX
from podwire.install.revisions import of_settings
from podwire.kube.client import ApiError, Client, ObjectList
from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.gateway_api import CONTROLLER_NAME, PROXIES
from podwire.kube.kinds import DEPLOYMENTS, ENDPOINT_SLICES, SERVICES, Kind
from podwire.kube.meta import NamespacedName
from tests.install.cluster import SETTINGS

Body = dict[str, Any]


class MemoryCluster:
    """The calls of a Client on objects in memory. Pods of an owner that is deleted are gone; `log` has all changes."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, NamespacedName], Body] = {}
        self.log: list[str] = []
        self.failing: set[str] = set()
        """Nodes whose pods fail."""

    def add(self, one: Manifest) -> None:
        self.objects[one.kind.resource, one.key] = one.body

    def pod(self, component: str, node: str) -> None:
        labels = {"app.kubernetes.io/name": "podwire", "app.kubernetes.io/component": component}
        key = NamespacedName("kube-system", f"podwire-{component}-{node}")
        metadata = {"name": key.name, "namespace": key.namespace, "labels": labels}
        self.objects["pods", key] = {"metadata": metadata, "spec": {"nodeName": node}}

    async def list(self, kind: Kind[Any], _: str = "", labelSelector: str = "") -> ObjectList[Any]:  # noqa: N803
        wanted = dict(word.split("=") for word in labelSelector.split(",") if word)
        found = [
            msgspec.convert(body, kind.type)
            for (resource, _), body in self.objects.items()
            if resource == kind.resource and wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]
        return ObjectList(found)

    async def get(self, kind: Kind[Any], key: NamespacedName) -> Any:
        if (kind.resource, key) not in self.objects:
            raise ApiError(404, "NotFound", str(key))
        return msgspec.convert(self.objects[kind.resource, key], kind.type)

    async def apply(self, kind: Kind[Any], key: NamespacedName, body: Body, _: str) -> None:
        self.log.append(f"apply {kind.resource} {key.name}")
        node = body["spec"]["nodeName"]
        state = {"terminated": {"message": "tables: denied"}}
        failed = {"phase": "Failed", "containerStatuses": [{"name": "restore", "state": state}]}
        self.objects[kind.resource, key] = {
            **body,
            "status": failed if node in self.failing else {"phase": "Succeeded"},
        }

    async def patch(self, kind: Kind[Any], key: NamespacedName, body: Body, subresource: str) -> None:
        self.log.append(f"patch {kind.resource} {key.name} {subresource}")
        self.objects[kind.resource, key] |= body

    async def delete(self, kind: Kind[Any], key: NamespacedName, **_: Any) -> None:
        if self.objects.pop((kind.resource, key), None) is None:
            raise ApiError(404, "NotFound", str(key))
        self.log.append(f"delete {kind.resource} {key.name}")
        for other in [name for name in self.objects if name[0] == "pods" and name[1].name.startswith(f"{key.name}-")]:
            del self.objects[other]


def node(name: str, ready: str) -> Body:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> MemoryCluster:
    """podwire on the nodes a and b, which are up."""
    monkeypatch.setattr(condition, "LOOK_SECONDS", 0)
    found = MemoryCluster()
    known = revisions.added({}, of_settings(SETTINGS))
    for one in (*of_settings(SETTINGS).manifests, revisions.config_map(known)):
        found.add(one)
    for name in ("a", "b"):
        found.objects["nodes", NamespacedName("", name)] = node(name, "True")
        found.pod("agent", name)
    found.pod("dns", "a")
    return found


def uninstall(cluster: MemoryCluster) -> list[str]:
    client = cast("Client", cluster)
    return asyncio.run(removal.uninstall(client, "podwire:1", lambda _: None, 1.0))


def place(cluster: MemoryCluster, matches: Callable[[str], bool]) -> int:
    """Where the first change of this kind is in the log."""
    return next(number for number, line in enumerate(cluster.log) if matches(line))


def test_dns_ends_before_the_agents_and_nodes_are_restored_after_them(cluster: MemoryCluster) -> None:
    assert uninstall(cluster) == []
    dns = cluster.log.index("delete deployments podwire-dns")
    agents = cluster.log.index("delete daemonsets podwire-agent")
    restored = place(cluster, lambda line: line.startswith(f"apply pods {NAME_PREFIX}"))
    rights = cluster.log.index("delete clusterroles podwire:agent")
    assert dns < agents < restored < rights
    assert {resource for resource, _ in cluster.objects} == {"nodes"}, "nothing of podwire is left"


def test_nodes_that_are_down_or_fail_are_named_and_the_image_stays_known(cluster: MemoryCluster) -> None:
    cluster.objects["nodes", NamespacedName("", "c")] = node("c", "Unknown")
    cluster.failing = {"b"}
    assert uninstall(cluster) == ["node c: is down", "node b: tables: denied"]
    assert not any(f"{NAME_PREFIX}c" in line for line in cluster.log)
    client = cast("Client", cluster)
    assert asyncio.run(removal.image(client)) == SETTINGS.image, "for the next attempt"
    cluster.objects["nodes", NamespacedName("", "c")] = node("c", "True")
    cluster.failing = set()
    assert uninstall(cluster) == []
    assert {resource for resource, _ in cluster.objects} == {"nodes"}


def test_objects_that_helm_has_now_are_left_to_helm(cluster: MemoryCluster) -> None:
    body = cluster.objects["daemonsets", NamespacedName("kube-system", "podwire-agent")]
    labels = {**body["metadata"]["labels"], MANAGER_LABEL: "Helm"}
    cluster.objects["daemonsets", NamespacedName("kube-system", "podwire-agent")] = {
        **body,
        "metadata": {**body["metadata"], "labels": labels},
    }
    with pytest.raises(cluster_objects.InstallError, match="helm uninstall"):
        uninstall(cluster)
    assert cluster.log == []


def test_objects_of_others_remain(cluster: MemoryCluster) -> None:
    dns = ("services", NamespacedName("kube-system", "kube-dns"))
    own = ("deployments", NamespacedName("shop", "network-panel"))
    cluster.objects[dns]["metadata"]["labels"] = {"k8s-app": "kube-dns"}
    metadata = {"name": "network-panel", "namespace": "shop", "labels": {"app.kubernetes.io/name": "podwire"}}
    cluster.objects[own] = {"metadata": metadata}
    space = ("namespaces", NamespacedName("", "team-network"))
    cluster.objects[space] = {"metadata": {"name": "team-network", "labels": metadata["labels"]}}
    assert uninstall(cluster) == []
    assert {dns, own, space} <= cluster.objects.keys(), (
        "a Service of another DNS server, another namespace and its object"
    )


def test_the_agents_namespace_is_deleted_after_what_is_in_it_and_its_end_is_waited_for(cluster: MemoryCluster) -> None:
    assert uninstall(cluster) == []
    assert cluster.log.index("delete roles podwire:agent") < cluster.log.index("delete namespaces podwire-node-lease")


def test_an_agent_that_does_not_end_stops_it(cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(condition, "PATIENCE_SECONDS", 0.05)
    key = NamespacedName("kube-system", "stuck-agent")
    labels = {"app.kubernetes.io/name": "podwire", "app.kubernetes.io/component": "agent"}
    metadata = {"name": key.name, "namespace": key.namespace, "labels": labels}
    cluster.objects["pods", key] = {"metadata": metadata, "spec": {"nodeName": "a"}}
    with pytest.raises(cluster_objects.InstallError, match="kube-system/stuck-agent on a"):
        uninstall(cluster)
    assert not any(line.startswith("apply") for line in cluster.log), "no node is touched while an agent may write"


def test_envoys_end_after_their_controller_and_before_the_agents(cluster: MemoryCluster) -> None:
    settings = msgspec.structs.replace(SETTINGS, gateway_api="standard")
    for one in of_settings(settings).manifests:
        cluster.add(one)
    envoys = manifest(DEPLOYMENTS, "envoy-podwire", fleet.labels("podwire"), namespace=PROXIES)
    own = {SERVICE_NAME_LABEL: "public-podwire", MANAGED_BY_LABEL: CONTROLLER_NAME.replace("/", ".")}
    others = manifest(SERVICES, "public-other", {GATEWAY_LABEL: "public"}, namespace="shop")
    for one in (
        envoys,
        manifest(SERVICES, "public-podwire", {GATEWAY_LABEL: "public"}, namespace="shop"),
        manifest(ENDPOINT_SLICES, "public-podwire-ipv4", own, namespace="shop"),
        manifest(gateway_cleanup.CLASSES, "podwire", selecting_labels("gateway-controller")),
        manifest(gateway_cleanup.CLASSES, "other", {}),
        manifest(gateway_cleanup.INGRESS_CLASSES, "podwire", selecting_labels("gateway-controller")),
        manifest(SERVICES, "ingress", {MANAGER_LABEL: "podwire"}, namespace=PROXIES),
        others,
    ):
        cluster.add(one)
    assert uninstall(cluster) == []
    order = [
        "delete deployments podwire-gateway-controller",
        "delete deployments envoy-podwire",
        "delete services public-podwire",
        "delete services ingress",
        "delete gatewayclasses podwire",
        "delete ingressclasses podwire",
        "delete daemonsets podwire-agent",
        "delete roles podwire:gateway-controller",
        "delete namespaces podwire-system",
    ]
    assert [line for line in cluster.log if line in order] == order
    assert ("services", others.key) in cluster.objects, "a Gateway of another controller keeps its Service"
    assert ("gatewayclasses", NamespacedName("", "other")) in cluster.objects


def test_gateways_keep_no_address_of_podwire(cluster: MemoryCluster) -> None:
    addresses = [{"type": "IPAddress", "value": "192.0.2.1"}]
    programmed = [{"type": "Programmed", "status": "True", "reason": "Programmed"}]
    written = {"addresses": addresses, "conditions": programmed}
    for name, controller in (("podwire", CONTROLLER_NAME), ("other", "example.com/controller")):
        one = manifest(GATEWAY_CLASSES, name, {})
        cluster.add(one)
        cluster.objects["gatewayclasses", one.key]["spec"] = {"controllerName": controller}
    waiting = {"conditions": gateway_cleanup.WAITING}
    for name, of_class, status in (
        ("served", "podwire", written),
        ("of-others", "other", written),
        ("new", "podwire", waiting),
    ):
        one = manifest(GATEWAYS, name, {}, namespace="web")
        cluster.add(one)
        cluster.objects["gateways", one.key] |= {"spec": {"gatewayClassName": of_class}, "status": status}
    assert uninstall(cluster) == []
    assert [line for line in cluster.log if line.startswith("patch")] == ["patch gateways served status"]
    status = cluster.objects["gateways", NamespacedName("web", "served")]["status"]
    assert status["addresses"] is None
    assert [one["status"] for one in status["conditions"]] == ["Unknown", "Unknown"]
    assert cluster.objects["gateways", NamespacedName("web", "of-others")]["status"] == written


def test_ingresses_keep_no_address_of_podwire(cluster: MemoryCluster) -> None:
    own, other = ({"loadBalancer": {"ingress": [{"ip": ip}]}} for ip in ("192.0.2.1", "192.0.2.2"))
    service = manifest(SERVICES, "ingress", {MANAGER_LABEL: "podwire"}, namespace=PROXIES)
    ingresses = {name: manifest(INGRESSES, name, {}, namespace="web") for name in ("served", "of-others", "without")}
    for one in (service, *ingresses.values()):
        cluster.add(one)
    cluster.objects["services", service.key]["status"] = own
    cluster.objects["ingresses", ingresses["served"].key]["status"] = own
    cluster.objects["ingresses", ingresses["of-others"].key]["status"] = other
    assert uninstall(cluster) == []
    order = ["patch ingresses served status", "delete services ingress"]
    assert [line for line in cluster.log if line in order or line.startswith("patch")] == order
    assert cluster.objects["ingresses", ingresses["served"].key]["status"] == {"loadBalancer": {"ingress": None}}
