"""Streams into pods with the real clients: port-forward, exec, attach, run, cp and logs."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kubernetes import client, config
from kubernetes.stream import portforward

from tests.clients.conversation import converse
from tests.world.harness import KUBECTL, World, eventually
from tests.world.terminal import terminal_of

ECHO = """
import socket, socketserver, threading
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Four(socketserver.ThreadingTCPServer):
    request_queue_size = 128
class Six(Four):
    address_family = socket.AF_INET6
threading.Thread(target=Six(("::1", 7006), Echo).serve_forever).start()
print("ready")
Four(("127.0.0.1", 7000), Echo).serve_forever()
"""

PODS = f"""
apiVersion: v1
kind: Pod
metadata: {{name: tools}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: shell
    image: busybox
    command: [sh, -c, "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.2; done"]
  - name: echo
    image: python
    command: [python3, -u, -c, {json.dumps(ECHO)}]
---
apiVersion: v1
kind: Pod
metadata: {{name: typing}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {{name: main, image: busybox, command: [sh], stdin: true, tty: true}}
---
apiVersion: v1
kind: Pod
metadata: {{name: failing}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {{name: main, image: busybox, command: [sh, -c, 'echo run; exit 1']}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: viewers}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
subjects:
- {{apiGroup: rbac.authorization.k8s.io, kind: User, name: viewer}}
"""


@pytest.fixture(scope="module")
def pods(quarter: World) -> Iterator[World]:
    """A namespace with pods to talk to, and a Deployment `web` behind a Service."""
    quarter.apply(PODS)
    quarter.kubectl("create", "deployment", "web", "--image=nginx", "--port=80")
    quarter.kubectl("expose", "deployment", "web", "--port=8080", "--target-port=80")
    quarter.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    quarter.kubectl("wait", "pod/tools", "pod/typing", "--for=condition=Ready", "--timeout=60s")
    eventually(lambda: "ready" in quarter.kubectl("logs", "tools", "-c", "echo").stdout, what="the echo server")
    yield quarter
    quarter.kubectl("delete", "clusterrolebinding", "viewers")


@contextlib.contextmanager
def forwarding(world: World, target: str, port: int) -> Iterator[tuple[int, Path]]:
    """A running port-forward: its local port, and the file with what it says."""
    said = world.home.folder / f"forward-{target.replace('/', '-')}-{port}"
    where = (f"--context=podwire-{world.name}", f"--namespace={world.namespace}")
    with said.open("w") as output:
        process = subprocess.Popen(
            (KUBECTL, *where, "port-forward", target, f":{port}", "--address=127.0.0.1"),
            env=world.home.environment,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: "Forwarding from" in said.read_text(), what=f"port-forward to {target}")
        yield int(said.read_text().split("127.0.0.1:")[1].split()[0]), said
    finally:
        process.terminate()
        process.wait()


def ask(port: int, request: bytes) -> bytes:
    """Everything that comes back until the other side ends; our side ends after the request."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:

        def send() -> None:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        answer = b""
        while data := connection.recv(65536):
            answer += data
        sender.join()
        return answer


GET = b"GET / HTTP/1.0\r\n\r\n"


@pytest.mark.proves("port-forward-spdy", "kubectl-port-forward")
@pytest.mark.parametrize(("target", "port"), [("pod/tools", 7000), ("deployment/web", 80), ("service/web", 8080)])
def test_a_port_is_forwarded_to(pods: World, target: str, port: int) -> None:
    with forwarding(pods, target, port) as (local, _):
        answer = ask(local, GET)
    assert (answer == GET) if port == 7000 else (b"stand-in for nginx" in answer)


def test_many_connections_at_once_do_not_mix(pods: World) -> None:
    requests = [bytes([number]) * 20_000 * (number + 1) for number in range(60)]
    with forwarding(pods, "pod/tools", 7000) as (local, _), ThreadPoolExecutor(60) as threads:
        assert list(threads.map(lambda request: ask(local, request), requests)) == requests


def test_a_program_that_listens_on_ipv6_alone_is_found(pods: World) -> None:
    with forwarding(pods, "pod/tools", 7006) as (local, _):
        assert ask(local, b"six") == b"six"


def test_a_port_without_a_listener_is_an_error_that_names_it(pods: World) -> None:
    with forwarding(pods, "pod/tools", 7999) as (local, said):
        with contextlib.suppress(ConnectionError):
            assert ask(local, b"x") == b""
        eventually(lambda: f"error forwarding port 7999 to pod {pods.namespace}/tools" in said.read_text())
        assert "Connection refused" in said.read_text()


def test_connections_end_with_their_client(pods: World) -> None:
    def connections() -> int:
        return pods.run_in("tools", "ss", "-Htn", "sport", "=", ":7000").stdout.count("ESTAB")

    with forwarding(pods, "pod/tools", 7000) as (local, _), contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", local)))
        eventually(lambda: connections() == 3, what="three connections in the pod")
    eventually(lambda: connections() == 0, what="the end of the connections in the pod")


@pytest.mark.proves("streams-need-create")
def test_who_may_only_look_may_not_forward_or_run(pods: World) -> None:
    assert pods.kubectl("--as=viewer", "get", "pod", "tools").returncode == 0
    for command in (("port-forward", "pod/tools", ":7000"), ("exec", "tools", "--", "true"), ("attach", "tools")):
        refused = pods.kubectl("--as=viewer", *command, check=False)
        assert refused.returncode != 0
        assert f'User "viewer" cannot create resource "pods/{command[0].replace("-", "")}"' in refused.stderr


def python_client(pods: World) -> client.CoreV1Api:
    path = str(pods.home.folder / "kubeconfig")
    return client.CoreV1Api(config.new_client_from_config(path))  # type: ignore[no-untyped-call]


@pytest.mark.proves("port-forward-v4", "exec-status")
def test_the_python_client_runs_commands_and_forwards(pods: World) -> None:
    api = python_client(pods)
    assert converse(api, pods.namespace, "tools", "shell") == ("got it\n", "no\n", 3)
    api = python_client(pods)  # each call changes its client for good
    forward = portforward(api.connect_get_namespaced_pod_portforward, "tools", pods.namespace, ports="7000,7999")
    connection = forward.socket(7000)
    connection.settimeout(60)
    connection.sendall(b"x" * 100_000)
    received = b""
    while len(received) < 100_000 and (data := connection.recv(65536)):
        received += data
    assert received == b"x" * 100_000
    eventually(lambda: forward.error(7999) is not None)
    assert forward.error(7000) is None
    assert "Connection refused" in forward.error(7999)


@pytest.mark.proves("cp-both-ways", "kubectl-cp")
def test_files_are_copied_both_ways(pods: World, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "numbers").write_bytes(bytes(range(256)) * 8192)
    (tree / "empty").touch()
    pods.kubectl("cp", str(tree), "tools:/tmp/", "-c", "shell")
    assert "2097152" in pods.kubectl("exec", "tools", "-c", "shell", "--", "wc", "-c", "/tmp/tree/below/numbers").stdout
    pods.kubectl("cp", "tools:/tmp/tree", str(tmp_path / "back"), "-c", "shell")
    assert (tmp_path / "back/below/numbers").read_bytes() == (tree / "below/numbers").read_bytes()
    assert (tmp_path / "back/empty").exists()


def test_a_pod_that_goes_is_an_error_that_says_so(pods: World) -> None:
    pods.kubectl("run", "leaving", "--image=nginx", "--port=80")
    pods.kubectl("wait", "pod/leaving", "--for=condition=Ready", "--timeout=40s")
    with forwarding(pods, "pod/leaving", 80) as (local, said):
        pods.kubectl("delete", "pod", "leaving", "--grace-period=1")
        with contextlib.suppress(ConnectionError):
            assert ask(local, GET) == b""
        eventually(lambda: "the pod is gone" in said.read_text())


@pytest.mark.proves("exec-tty", "kubectl-exec")
def test_a_terminal_follows_the_size_of_its_window(pods: World) -> None:
    with terminal_of(pods, "exec", "-it", "tools", "-c", "shell", "--", "sh") as terminal:
        terminal.type("stty size\n")
        terminal.until("30 70")
        terminal.resize(44, 99)
        terminal.type("until stty size | grep '44 99'; do :; done\n")
        terminal.until("44 99\r")
        terminal.type("exit 6\n")
        assert terminal.end() == 6


@pytest.mark.proves("kubectl-attach")
def test_attach_types_into_the_program_of_a_container(pods: World) -> None:
    with terminal_of(pods, "attach", "-it", "typing") as terminal:
        terminal.type("echo $((40 + 2)); tty\n")
        terminal.until("/dev/pts/0")
        terminal.type("exit 0\n")
        terminal.end()
    eventually(lambda: pods.jsonpath("pod typing", "{.status.containerStatuses[0].restartCount}") == "1")


@pytest.mark.proves("logs", "kubectl-logs")
def test_logs_of_one_container_of_a_time_and_of_the_run_before(pods: World) -> None:
    both = pods.kubectl("logs", "tools", check=False)
    assert (both.returncode, "choose one of: [shell echo]" in both.stderr) in {(1, True), (0, False)}
    assert pods.kubectl("logs", "tools", "-c", "echo").stdout == "ready\n"
    assert pods.kubectl("logs", "tools", "-c", "shell").stdout.startswith("line 0\nline 1\n")
    assert "line 0\n" not in pods.kubectl("logs", "tools", "-c", "shell", "--since=1s").stdout
    eventually(lambda: pods.jsonpath("pod failing", "{.status.containerStatuses[0].restartCount}") != "0")
    eventually(lambda: pods.kubectl("logs", "failing", "--previous", check=False).stdout == "run\n")
    with terminal_of(pods, "logs", "-f", "tools", "-c", "shell", "--tail=1") as following:
        first = int(following.until("\n").split()[-1])
        following.until(f"line {first + 2}")


def test_a_refused_stream_says_why(pods: World) -> None:
    missing = pods.kubectl("exec", "failing", "--", "true", check=False)
    assert missing.returncode != 0
    assert f'container "main" of pod "{pods.namespace}/failing" is not running' in missing.stderr


@pytest.mark.proves("kubectl-proxy")
def test_services_and_pods_are_reached_through_the_api_server(pods: World) -> None:
    pods.kubectl("wait", "pod", "-l", "app=web", "--for=condition=Ready", "--timeout=40s")
    services = f"/api/v1/namespaces/{pods.namespace}/services"
    request_seen = json.loads(pods.kubectl("get", "--raw", f"{services}/http:web:8080/proxy/some%20path?x=1").stdout)
    assert (request_seen["standInFor"], request_seen["method"], request_seen["path"]) == (
        "nginx",
        "GET",
        "/some%20path?x=1",
    )
    pod = pods.jsonpath("pods", "{.items[0].metadata.name}", "-l", "app=web")
    assert "nginx" in pods.kubectl("get", "--raw", f"/api/v1/namespaces/{pods.namespace}/pods/{pod}:80/proxy").stdout
    assert pods.kubectl("get", "--raw", "/api/v1/nodes/node-1/proxy/healthz").stdout == "ok"
    pods.kubectl("create", "service", "clusterip", "empty", "--tcp=80:80")
    for path, why in (
        (f"{services}/empty/proxy/", 'no endpoints available for service "empty"'),
        (f"{services}/web:9/proxy/", 'no service port 9 found for service "web"'),
        (f"/api/v1/namespaces/{pods.namespace}/pods/{pod}:9/proxy/", "connect: connection refused"),
        (f"/api/v1/nodes/node-1/proxy/exec/{pods.namespace}/absent/shell", "could not find the requested resource"),
    ):
        refused = pods.kubectl("get", "--raw", path, check=False)
        assert refused.returncode != 0
        assert why in refused.stderr
    denied = pods.kubectl("--as=viewer", "get", "--raw", f"{services}/web:8080/proxy/", check=False)
    assert 'User "viewer" cannot get resource "services/proxy"' in denied.stderr


@pytest.mark.proves("kubectl-proxy", "kubectl-cluster-info")
def test_kubectl_proxy_passes_bodies_and_status_on(pods: World) -> None:
    said = pods.home.folder / "proxy"
    with said.open("w") as output:
        command = (KUBECTL, f"--context=podwire-{pods.name}", "proxy", "--port=0")
        process = subprocess.Popen(command, env=pods.home.environment, stdout=output, stderr=output)
    try:
        eventually(lambda: "Starting to serve on" in said.read_text(), what="kubectl proxy")
        url = f"http://{said.read_text().split()[-1]}/api/v1/namespaces/{pods.namespace}/services/web:8080/proxy/"
        request = urllib.request.Request(url, data=b"body", method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert b"method: PUT" in answer.read()
            assert answer.headers["X-Podwire-Stand-In"] == "nginx"
    finally:
        process.terminate()
        process.wait()
    assert "CoreDNS is running at" in pods.kubectl("cluster-info", "--namespace=kube-system").stdout
