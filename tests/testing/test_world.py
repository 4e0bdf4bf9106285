"""A world in a test's hands: the verbs of its fixtures, each with a case in which it must say no."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from podwire.testing import CommandError, Kubectl, Namespace, World, eventually
from podwire.testing.plugin import StartWorld

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: nginx, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: 80}, {name: dns, port: 53, protocol: UDP}]
---
apiVersion: v1
kind: Pod
metadata: {name: asker}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: tools, image: busybox, command: [sleep, infinity]}]
"""

CLOSED = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: web}}}
"""


@pytest.fixture(scope="module")
def web(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    path = tmp_path_factory.mktemp("manifests") / "web.yaml"
    path.write_text(MANIFEST)
    world.kubectl("create", "namespace", "web")
    within = world.within("web")
    within.apply(path)
    within.wait("web")
    return within


def test_a_program_of_this_machine_runs_in_a_pods_network_with_its_names(web: World) -> None:
    assert "pod: web/" in web.run_in("asker", "curl", "-sS", "-m", "30", "http://web:8080/").stdout
    assert "pod: web/" in web.run_in("deploy/web", "curl", "-sS", "-m", "30", "http://web:8080/").stdout
    assert "web.svc.cluster.local" in web.run_in("asker", "cat", "/etc/resolv.conf").stdout
    node = web.jsonpath("pod asker", "{.spec.nodeName}")
    assert "10.244." in web.run_in(node, "ip", "route").stdout
    with pytest.raises(CommandError, match="-> 3\nso it said"):
        web.run_in("web/asker", "sh", "-c", "echo so it said; exit 3")
    with pytest.raises(CommandError, match="absent"):
        web.run_in("absent", "true")


def test_exec_runs_inside_a_container(web: World) -> None:
    assert web.exec("asker", "cat", stdin="in and out", container="tools").stdout == "in and out"
    assert web.within("default").exec("web/deploy/web", "hostname").stdout.startswith("web-")
    with pytest.raises(CommandError, match="exit code 4"):
        web.exec("asker", "sh", "-c", "exit 4")


@pytest.mark.long
def test_a_recreated_pod_is_found_under_its_name(web: World) -> None:
    manifest = MANIFEST.split("---")[2].replace("asker", "again")
    for _ in range(2):
        web.apply(manifest)
        web.wait("web")
        assert web.run_in("again", "hostname", "-I").returncode == 0
        assert web.jsonpath("pod again", "{.status.podIP}") in web.run_in("again", "ip", "addr").stdout
        web.kubectl("delete", "pod", "again", "--now")


@pytest.mark.proves("plugin-verdicts")
@pytest.mark.parametrize(
    ("target", "protocol"),
    [("web:8080", "TCP"), pytest.param("deploy/web:80", "TCP", marks=pytest.mark.long), ("web:53", "UDP")],
)
def test_a_door_is_open_until_a_policy_closes_it(web: World, target: str, protocol: str) -> None:
    assert web.allowed("asker", target, protocol=protocol)
    assert not web.denied("asker", target, protocol=protocol, within=0)
    web.apply(CLOSED)
    try:
        assert web.denied("asker", target, protocol=protocol)
        assert not web.allowed("asker", target, protocol=protocol, within=0)
    finally:
        web.kubectl("delete", "networkpolicy", "closed")


def test_neither_a_refusal_nor_a_missing_name_is_taken_for_a_policy(web: World) -> None:
    assert web.denied("asker", "deploy/web:81", within=0).seen == "refused"
    assert web.denied("asker", "nowhere:80", within=0).seen == "no-name"


def test_a_namespace_of_a_test_is_ready_for_pods(world: World, namespace: Namespace) -> None:
    namespace.apply(MANIFEST)
    namespace.wait()
    assert namespace.allowed("asker", f"web.{namespace}:8080")
    assert namespace.exec("asker", "hostname").stdout == "asker\n"
    assert namespace.kubectl.json("pod", "asker")["metadata"]["namespace"] == namespace.name
    assert namespace.run_in("asker", "true").returncode == 0
    assert "asker" not in world.kubectl("get", "pods").stdout


@pytest.mark.long
def test_waiting_for_what_never_comes_says_what_is_missing(namespace: Namespace) -> None:
    namespace.apply(MANIFEST.replace("sleep, infinity", "no-such-program"))
    namespace.kubectl.wait("pod/asker", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff")
    words = r"pod waiting-for-.*/asker: Running container .* StartError .*no-such-program"
    with pytest.raises(AssertionError, match=words):
        namespace.wait(timeout=1)


@pytest.mark.proves("plugin-fixtures")
def test_clients_find_the_world(world: World, kubectl: Kubectl, client: ApiClient) -> None:
    from kubernetes.client import CoreV1Api  # a second of imports, in each process that collects tests

    nodes = CoreV1Api(client).list_node().items
    assert [node.metadata.name for node in nodes if node.metadata] == ["node-1", "node-2"]
    assert kubectl.wait("node/node-1", "condition=Ready").returncode == 0
    assert kubectl("get", "nodes", "-o", "name").stdout == "node/node-1\nnode/node-2\n"
    assert world.environment["KUBECONFIG"] == str(world.kubeconfig)
    with pytest.raises(CommandError, match="resource type"):
        kubectl("get", "pood")
    assert kubectl("get", "pood", check=False).returncode == 1


def test_the_api_server_is_killed_and_comes_back(world: World) -> None:
    killed = world.kill("apiserver")
    eventually(lambda: "pw-apiserver" in world.processes().values(), what="the return of the API server")
    assert not set(killed) & set(world.processes())
    assert "node-1" in world.kubectl("get", "nodes").stdout
    with pytest.raises(ValueError, match="apiserver, controllers"):
        world.kill("cook")


@pytest.mark.long
def test_a_world_of_a_module_has_its_options(world: World, fresh_world: StartWorld) -> None:
    own = fresh_world(nodes=3, overlay="vxlan")
    assert own.jsonpath("nodes", "{.items[*].metadata.name}") == "node-1 node-2 node-3"
    assert own.run_in("node-1", "ip", "-d", "link", "show", "type", "vxlan").stdout
    assert own.pid != world.pid
    assert own.kubeconfig != world.kubeconfig


def test_the_tests_own_environment_is_left_alone(world: World) -> None:
    assert os.environ.get("KUBECONFIG") != str(world.kubeconfig)
    assert Path(world.environment["PODWIRE_STATE"]).is_dir()
