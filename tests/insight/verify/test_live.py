"""`podwire verify --live`: a running world by its network namespaces, and a cluster by programs in its pods."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podwire.insight.verify import cluster_proof, pod_probe
from podwire.insight.verify.outcome import Attempt, Outcome, Seen
from podwire.kube import kubeconfig
from podwire.kube.client import Client
from podwire.kube.meta import NamespacedName
from podwire.testing import World

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: live}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: live, labels: {app: server}}
spec:
  containers:
    - {name: c, image: nginx, ports: [{name: http, containerPort: 80}, {containerPort: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Pod
metadata: {name: friend, namespace: live, labels: {app: friend}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: live}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: live}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
"""
EXPECTATIONS = """
expectations:
  - {from: live/friend, to: live/server, port: [http, 9], expect: allow}
  - {from: live/friend, to: live/server, port: 53, protocol: UDP, expect: allow}
  - {from: live/stranger, to: live/friend, port: 80, expect: allow}
  - {from: live/stranger, to: live/server, port: 80, expect: deny}
"""
WRONG = "  - {from: live/stranger, to: live/server, port: 9, expect: allow}\n"


@pytest.fixture(scope="module")
def there(world: World) -> World:
    world.apply(MANIFEST)
    world.wait("live")
    return world


@pytest.fixture
def cluster(there: World, tmp_path: Path) -> Path:
    """The world's kubeconfig under another name: nothing shows that it is a world."""
    file = tmp_path / "kubeconfig"
    file.write_text(there.kubeconfig.read_text().replace(f"podwire-{there.name}", "staging"))
    return file


def proof(there: World, tmp_path: Path, *flags: str, text: str = EXPECTATIONS) -> tuple[int, dict[str, Any]]:
    file = tmp_path / "reach.yaml"
    file.write_text(text)
    found = there.home.podwire("verify", str(file), "--live", "-o", "json", *flags, check=False, timeout=110)
    assert found.stdout, found.stderr
    return found.returncode, json.loads(found.stdout)


@pytest.mark.long
def test_a_running_world(there: World, tmp_path: Path) -> None:
    status, report = proof(there, tmp_path, "--name", there.name, text=EXPECTATIONS + WRONG)
    assert status == 1
    assert report["place"] == f"world {there.name}"
    assert [one["ok"] for one in report["expectations"]] == [True, True, True, True, True, False], report
    assert "not allowed" in report["expectations"][-1]["explanation"]


@pytest.mark.long
def test_a_cluster_by_programs_in_its_pods(there: World, cluster: Path, tmp_path: Path) -> None:
    status, report = proof(there, tmp_path, "--kubeconfig", str(cluster))
    assert (status, report["place"]) == (0, "cluster staging"), report
    assert [one["seen"] for one in report["expectations"]] == [
        "answered",
        "arrived, nothing listens there",
        "answered",
        "answered",
        "no answer",
    ]


@pytest.mark.long
async def test_an_ephemeral_container_runs_the_probe(there: World, cluster: Path) -> None:
    server = there.jsonpath("pod server -n live", "{.status.podIP}")
    attempts = [Attempt("", server, 80), Attempt("", server, 9)]
    async with Client(kubeconfig.load(cluster, "staging")) as client:
        pod = NamespacedName("live", "friend")
        container = await cluster_proof.started_beside(client, pod, "tools")
        found = await cluster_proof.run_in(client, pod, container, attempts)
        assert found == [Outcome.OPEN, Outcome.CLOSED]


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """A port of this machine that is open, and one that is not."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()[1]
        other.close()
        yield server.getsockname()[1], closed


def test_the_probe_of_bash_and_that_of_python_see_the_same(ports: tuple[int, int]) -> None:
    wanted = [("127.0.0.1", one, "TCP", 5.0) for one in ports]
    script = Path(pod_probe.__file__).with_suffix(".bash").read_text()
    lines = "".join(f"{' '.join(map(str, one))}\n" for one in wanted)
    found = subprocess.run(["bash", "-c", script], input=lines, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == [pod_probe.once(*one) for one in wanted] == ["open", "closed"]


def test_a_name_server_and_a_program_that_does_not_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert pod_probe.once("127.0.0.1", port, "UDP", 0.1) == "silent"
        thread = threading.Thread(target=lambda: server.sendto(b"x", server.recvfrom(100)[1]))
        server.recv(100)
        thread.start()
        assert pod_probe.once("127.0.0.1", port, "UDP", 30.0) == "open"
        thread.join()
    assert pod_probe.once("127.0.0.1", port, "UDP", 30.0) == "closed"


def test_silence_of_a_datagram_and_a_refusal_before_a_service_decide_nothing() -> None:
    through = Attempt("", "10.96.0.1", 80, is_translated=True)
    assert cluster_proof.certain(through, Seen(Outcome.CLOSED)).outcome is Outcome.REJECTED
    assert cluster_proof.certain(Attempt("", "10.0.0.1", 53, "UDP"), Seen(Outcome.SILENT)).outcome is Outcome.ERROR
    assert cluster_proof.certain(Attempt("", "10.0.0.1", 80), Seen(Outcome.SILENT)).outcome is Outcome.SILENT
