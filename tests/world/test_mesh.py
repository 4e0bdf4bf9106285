"""A world whose namespace is enrolled: mutual TLS between nodes, NetworkPolicies as without the mesh, faults."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from podwire.redirection.enrolment import DISABLED, ENABLED, LABEL, REDIRECTED
from tests.world.harness import PODWIRE, Home, World, eventually, running

SECRET = "a-secret-word"
OBJECTS = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: shop, labels: {{{LABEL}: {ENABLED}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client, namespace: shop, labels: {{app: client}}}}
spec: {{nodeName: node-1, containers: [{{name: c, image: nginx}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: near, namespace: shop, labels: {{app: server, place: near}}}}
spec: {{nodeName: node-1, containers: [{{name: c, image: nginx}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: far, namespace: shop, labels: {{app: server, place: far}}}}
spec: {{nodeName: node-2, containers: [{{name: c, image: nginx}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: stranger, namespace: shop, labels: {{app: client, {LABEL}: {DISABLED}}}}}
spec: {{nodeName: node-1, containers: [{{name: c, image: nginx}}]}}
"""
INGRESS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: servers, namespace: shop}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
"""
EGRESS = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: clients, namespace: shop}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: nobody}}}]}]
"""
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: server}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: shop}
spec: {selector: {place: far}, ports: [{port: 80}]}
"""
ROUTE = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web, namespace: shop}}
spec:
  parentRefs: [{{group: "", kind: Service, name: web}}]
  rules: [{{backendRefs: [{{name: far, port: 80}}]}}]
---
{SERVICES}
"""
CONSUMER = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: buyers, labels: {{{LABEL}: {ENABLED}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: buyer, namespace: buyers}}
spec: {{nodeName: node-1, containers: [{{name: c, image: nginx}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: web, namespace: buyers}}
spec:
  parentRefs: [{{group: "", kind: Service, name: web, namespace: shop}}]
  rules: [{{backendRefs: [{{name: far, namespace: shop, port: 80}}]}}]
---
{SERVICES}
"""
ROLLED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: rolled, namespace: shop}
spec:
  replicas: 4
  selector: {matchLabels: {app: rolled}}
  template:
    metadata: {labels: {app: rolled}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: rolled, namespace: shop}
spec: {selector: {app: rolled}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: rolled, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: rolled}]
  rules:
    - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-routed, value: "yes"}]}}]
      backendRefs: [{name: rolled, port: 80}]
"""
NEAR_ALONE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: clients, namespace: shop}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {place: near}}}]}]
"""
IDENTITIES = """
apiVersion: mesh.podwire.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: servers, namespace: shop}
spec:
  selector: {matchLabels: {app: server}}
  rules: [{from: [{identities: [shop/default]}]}]
"""
MESH = ("-n", "podwire-system", "get", "pods", "-l", "app.kubernetes.io/name=podwire-mesh", "-o")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for world in running(Home(tmp_path_factory.mktemp("mesh")), "mesh", "--nodes", "2"):
        assert "redirection" not in world.run_in("node-1", "nft", "list", "tables").stdout
        world.apply(OBJECTS)
        eventually(lambda world=world: redirected(world) == {"client", "near", "far"}, 90, "pods are redirected")  # type: ignore[misc]
        yield world


def redirected(world: World) -> set[str]:
    path = "{.items[*].metadata.name}"
    names = world.kubectl("-n", "shop", "get", "pods", "-l", f"{REDIRECTED}={ENABLED}", "-o", f"jsonpath={path}")
    return set(names.stdout.split())


def address(world: World, pod: str, index: int = 0) -> str:
    return world.jsonpath(f"pod {pod}", f"{{.status.podIPs[{index}].ip}}", "--namespace", "shop")


def answers(world: World, client: str, server: str, index: int = 0) -> str:
    """Return who the server says that its client is; empty without a response."""
    found = address(world, server, index)
    url = f"http://[{found}]/{SECRET}" if ":" in found else f"http://{found}/{SECRET}"
    response = world.run_in(f"shop/pod/{client}", "curl", "-s", "-m", "10", url, check=False).stdout
    lines = (line.partition(": ") for line in response.splitlines())
    return next((value.rpartition(":")[0] for name, _, value in lines if name == "from"), "")


def test_pods_of_the_mesh_reach_each_other_with_their_own_addresses(mesh: World) -> None:
    for client, server in (("client", "far"), ("client", "near"), ("stranger", "far"), ("stranger", "near")):
        for index in (0, 1):
            assert answers(mesh, client, server, index).strip("[]") == address(mesh, client, index), (client, server)


def test_between_nodes_there_is_tls_alone(mesh: World, tmp_path: Path) -> None:
    file = tmp_path / "node-1.pcap"
    command = [PODWIRE, "capture", "--name", mesh.name, "node-1", "--seconds", "60", "-w", str(file)]
    with subprocess.Popen(command, env=mesh.environment, stdout=subprocess.DEVNULL) as capture:
        eventually(lambda: file.exists() and file.stat().st_size > 0, 60, "the capture")
        assert answers(mesh, "client", "far")
        assert answers(mesh, "client", "near")
        eventually(lambda: b"\x16\x03\x01" in file.read_bytes(), 60, "a ClientHello")
        assert SECRET.encode() not in file.read_bytes()
        assert answers(mesh, "stranger", "far")  # without the mesh it would be seen
        eventually(lambda: SECRET.encode() in file.read_bytes(), 60, "plain text of a pod outside of the mesh")
        capture.terminate()


@pytest.mark.parametrize(
    "policy", [pytest.param(INGRESS, id="ingress"), pytest.param(EGRESS, id="egress", marks=pytest.mark.long)]
)
def test_network_policies_hold_as_without_the_mesh(mesh: World, policy: str) -> None:
    """GO-2026-4856: a proxy of the node let pods of the same node by."""
    mesh.kubectl("apply", "-f", "-", stdin=policy)
    try:
        for server in ("near", "far"):
            eventually(lambda server=server: not answers(mesh, "client", server), 90, f"{server} is closed")  # type: ignore[misc]
        mesh.kubectl("-n", "shop", "label", "pod", "client", "app=friend", "--overwrite")
        for server in ("near", "far"):
            eventually(lambda server=server: answers(mesh, "client", server) != "", 60, f"{server} is open")  # type: ignore[misc]
    finally:
        mesh.kubectl("delete", "-f", "-", stdin=policy)
        mesh.kubectl("-n", "shop", "label", "pod", "client", "app=client", "--overwrite")


@pytest.mark.long
def test_explanations_agree_with_what_the_mesh_does(mesh: World) -> None:
    """A pod that is not enrolled has an identity on its own node only."""

    def verdict(client: str, server: str) -> str:
        command = [PODWIRE, "explain", "--name", mesh.name, f"shop/{client}", f"shop/{server}:80", "-o", "json"]
        done = subprocess.run(command, env=mesh.environment, capture_output=True, check=True, timeout=60)
        return str(json.loads(done.stdout)["verdict"])

    mesh.kubectl("apply", "-f", "-", stdin=IDENTITIES)
    try:
        eventually(lambda: not answers(mesh, "stranger", "far"), 90, "the policy is in force")
        for client, server in (("client", "far"), ("client", "near"), ("stranger", "far"), ("stranger", "near")):
            passes = answers(mesh, client, server) != ""
            assert verdict(client, server) == ("allowed" if passes else "not allowed"), (client, server)
            assert passes == ((client, server) != ("stranger", "far"))
    finally:
        mesh.kubectl("delete", "-f", "-", stdin=IDENTITIES)
    eventually(lambda: answers(mesh, "stranger", "far") != "", 90, "the policy is in force no longer")


def test_a_route_chooses_the_server_and_never_one_that_policies_forbid(mesh: World) -> None:
    mesh.kubectl("apply", "-f", "-", stdin=ROUTE)
    url = f"http://{mesh.jsonpath('service web', '{.spec.clusterIP}', '--namespace', 'shop')}/"

    def servers(number: int) -> set[str]:
        words = ("curl", "-s", "-m", "3", *[url] * number)
        shown = mesh.run_in("shop/pod/client", *words, check=False).stdout
        return {line.removeprefix("pod: ") for line in shown.splitlines() if line.startswith("pod: ")}

    eventually(lambda: servers(8) == {"shop/far"}, 90, "the route is in force")
    mesh.kubectl("apply", "-f", "-", stdin=NEAR_ALONE)
    try:
        eventually(lambda: not answers(mesh, "client", "far"), 90, "far is forbidden")
        eventually(lambda: servers(3) == {"shop/near"}, 90, "the kernel chooses, and judges")
        assert servers(3) <= {"shop/near"}
    finally:
        mesh.kubectl("delete", "-f", "-", stdin=NEAR_ALONE)
    eventually(lambda: servers(8) == {"shop/far"}, 90, "the route is in force again")
    mesh.kubectl("delete", "-f", "-", stdin=ROUTE)


@pytest.mark.long
def test_routes_of_another_namespace_concern_its_clients_alone(mesh: World) -> None:
    mesh.kubectl("apply", "-f", "-", stdin=CONSUMER)
    url = f"http://{mesh.jsonpath('service web', '{.spec.clusterIP}', '--namespace', 'shop')}/"

    def servers(client: str) -> set[str]:
        words = ("curl", "-s", "-m", "3", "-H", "Connection: close", *[url] * 30)
        shown = mesh.run_in(client, *words, check=False).stdout
        return {line.removeprefix("pod: ") for line in shown.splitlines() if line.startswith("pod: ")}

    try:
        eventually(lambda: servers("buyers/pod/buyer") == {"shop/far"}, 90, "the route is in force for its namespace")
        assert servers("shop/pod/client") == {"shop/near", "shop/far"}
        held = mesh.run_in("node-1", "nft", "list", "table", "inet", "podwire-redirection").stdout
        address = mesh.jsonpath("pod buyer", "{.status.podIP}", "--namespace", "buyers")
        assert f"{address} . {url[7:-1]} . 80" in held
    finally:
        mesh.kubectl("delete", "-f", "-", stdin=CONSUMER)


@pytest.mark.long
def test_no_request_fails_while_backends_of_a_route_are_replaced(mesh: World) -> None:
    mesh.kubectl("apply", "-f", "-", stdin=ROLLED)
    mesh.kubectl("-n", "shop", "rollout", "status", "deployment", "rolled", "--timeout=90s")
    url = f"http://{mesh.jsonpath('service rolled', '{.spec.clusterIP}', '--namespace', 'shop')}/"
    marked = ("curl", "-s", "-o", "/dev/null", "-m", "3", "-w", "%header{x-routed}", url)
    eventually(lambda: mesh.run_in("shop/pod/client", *marked, check=False).stdout == "yes", 90, "the route")

    def load() -> str:
        words = ("curl", "-s", "-o", "/dev/null", "--retry", "0", "-m", "20", "-w", "%{http_code} %header{x-routed}\n")
        return mesh.run_in("shop/pod/client", *words, f"{url}[1-2000]", check=False).stdout

    try:
        with ThreadPoolExecutor(3) as threads:
            loads = [threads.submit(load) for _ in range(3)]
            rollouts = 0
            while rollouts < 2 or not all(one.done() for one in loads):
                mesh.kubectl("-n", "shop", "rollout", "restart", "deployment", "rolled")
                mesh.kubectl("-n", "shop", "rollout", "status", "deployment", "rolled", "--timeout=90s")
                rollouts += 1
        answers = Counter(line for one in loads for line in one.result().splitlines())
        assert answers == {"200 yes": 6000}, (answers, rollouts)
    finally:
        mesh.kubectl("delete", "-f", "-", stdin=ROLLED)


@pytest.mark.long
def test_the_mesh_outlives_the_agent_and_its_own_controller(mesh: World) -> None:
    for role in ("agent-node-1", "mesh-controller"):
        mesh.kill(role)
        assert answers(mesh, "client", "far")
        assert answers(mesh, "client", "near")


@pytest.mark.long
def test_an_envoy_that_ends_is_replaced_and_nothing_leaves_in_plain_text(mesh: World) -> None:
    before = envoy_restarts(mesh)
    envoys = [pid for pid, name in mesh.processes().items() if name == "envoy"]
    assert len(envoys) == 2
    subprocess.run(["kill", "-9", *map(str, envoys)], check=True)
    eventually(lambda: envoy_restarts(mesh) >= before + 2, 90, "both Envoys are started again")
    eventually(lambda: answers(mesh, "client", "far") != "", 90, "connections of the mesh")


def envoy_restarts(world: World) -> int:
    path = '{range .items[*]}{.status.containerStatuses[?(@.name=="envoy")].restartCount}{"\\n"}{end}'
    return sum(map(int, world.kubectl(*MESH, f"jsonpath={path}").stdout.split()))


@pytest.mark.long
def test_a_pod_that_leaves_the_mesh_is_as_if_it_had_never_been_in_it(mesh: World) -> None:
    mesh.kubectl("-n", "shop", "label", "pod", "far", f"{LABEL}={DISABLED}")
    try:
        eventually(lambda: redirected(mesh) == {"client", "near"}, 60, "far has left")
        eventually(lambda: answers(mesh, "client", "far") == address(mesh, "client"), 60, "far is reached")
    finally:
        mesh.kubectl("-n", "shop", "label", "pod", "far", f"{LABEL}-")
    eventually(lambda: redirected(mesh) == {"client", "near", "far"}, 60, "far is back")
