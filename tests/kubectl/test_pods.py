"""What kubectl does with running pods: run, logs, exec, cp, attach, port-forward."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from tests.kubectl.kubectl import Kubectl, line
from tests.world.harness import eventually

OLDEST_IS_LONG = True

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: talker, labels: {app: talker}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "for i in 1 2 3; do echo main $i; done; cat; echo end >&2"]
    stdin: true
    stdinOnce: true
  - name: side
    image: busybox
    command: [sh, -c, "echo side 1; exec sleep 600"]
---
apiVersion: v1
kind: Pod
metadata: {name: failing}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: busybox, command: [sh, -c, "echo try; exit 3"]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8080, targetPort: 80}]}
"""


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> Kubectl:
    kubectl.apply(PODS)
    kubectl("wait", "pod/talker", "--for=condition=Ready", "--timeout=60s")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


@pytest.mark.proves("kubectl-logs", "logs")
def test_logs_of_one_container_and_of_all(pods: Kubectl) -> None:
    assert pods("logs", "talker", "-c", "side") == "side 1\n"
    assert pods("logs", "talker", "--tail=2") == "main 2\nmain 3\n"
    every = sorted(pods("logs", "talker", "--all-containers").splitlines())
    assert every == ["main 1", "main 2", "main 3", "side 1"]
    prefixed = pods("logs", "-l", "app=talker", "--all-containers", "--prefix", "--tail=1").splitlines()
    assert sorted(prefixed) == ["[pod/talker/main] main 3", "[pod/talker/side] side 1"]
    first = pods("logs", "talker", "-c", "side", "--timestamps", "--since=1h")
    assert first[:2] == "20"
    assert first.endswith("Z side 1\n")
    assert pods("logs", "talker", "-c", "side", "--since-time=2999-01-01T00:00:00Z") == ""
    assert pods("logs", "talker", "-c", "side", "--limit-bytes=4") == "side"
    absent = pods.refused("logs", "talker", "-c", "absent")
    assert absent.startswith("error: container absent is not valid for pod talker")


@pytest.mark.proves("kubectl-logs", "logs")
def test_logs_of_an_earlier_run(pods: Kubectl) -> None:
    path = "{.status.containerStatuses[0].lastState.terminated.exitCode}"
    eventually(lambda: pods.jsonpath("pod failing", path) == "3", 60, "an earlier run")
    assert pods("logs", "failing", "--previous") == "try\n"
    none = pods.refused("logs", "talker", "-c", "side", "--previous")
    assert 'previous terminated container "side" in pod "talker" not found' in none


@pytest.mark.proves("kubectl-logs", "kubectl-attach", "logs")
def test_attach_writes_and_logs_follow(pods: Kubectl) -> None:
    with pods.started("logs", "-f", "talker", "-c", "main") as following:
        assert [line(following) for _ in range(3)] == ["main 1", "main 2", "main 3"]
        attached = pods.run("attach", "-i", "talker", "-c", "main", stdin="typed\n")
        assert attached.returncode == 0, attached.stderr
        assert "typed" in attached.stdout
        assert [line(following), line(following)] == ["typed", "end"]


@pytest.mark.proves("kubectl-exec", "exec-status", "exec-v5")
def test_exec_carries_input_outputs_and_the_exit_code(pods: Kubectl) -> None:
    side = ("exec", "talker", "-c", "side", "-i", "--")
    result = pods.run(*side, "sh", "-c", "cat; echo bad >&2; exit 7", stdin="in\n")
    assert (result.stdout, result.returncode) == ("in\n", 7)
    assert result.stderr == "bad\ncommand terminated with exit code 7\n"
    assert pods("exec", "deployment/web", "--", "echo", "a", "b") == "a b\n"
    default = pods.run("exec", "deployment/web", "--", "true")
    assert default.stderr == ""
    absent = pods.refused("exec", "talker", "-c", "absent", "--", "true")
    assert "absent" in absent
    unknown = pods.run(*side, "no-such-program")
    assert unknown.returncode in {126, 127, 1}
    assert "no-such-program" in unknown.stderr


@pytest.mark.proves("kubectl-cp", "cp-both-ways")
def test_cp_both_ways(pods: Kubectl) -> None:
    pods.write("up/one.txt", "one\n")
    pods.write("up/deep/two.txt", "two\n")
    pods("cp", "up", "talker:/tmp/up", "-c", "side")
    assert pods("exec", "talker", "-c", "side", "--", "cat", "/tmp/up/deep/two.txt") == "two\n"
    pods("cp", "talker:/tmp/up", "down", "-c", "side")
    assert (pods.folder / "down" / "one.txt").read_text() == "one\n"
    assert (pods.folder / "down" / "deep" / "two.txt").read_text() == "two\n"
    # kubectl ends with the archive, which is empty here, and may have read tar's message by then or not.
    pods.run("cp", "talker:/tmp/absent", "x", "-c", "side")
    assert not (pods.folder / "x").exists()


@pytest.mark.proves("kubectl-port-forward", "port-forward-spdy")
@pytest.mark.parametrize(("target", "ports"), [("service/web", ":8080"), ("deployment/web", ":80"), ("pod", ":80")])
def test_port_forward_reaches_a_pod(pods: Kubectl, target: str, ports: str) -> None:
    target = pods("get", "pods", "-l", "app=web", "-o", "name").strip() if target == "pod" else target
    with pods.started("port-forward", target, ports) as forwarding:
        said = line(forwarding)
        assert said.startswith("Forwarding from 127.0.0.1:"), said
        port = int(said.split()[2].rpartition(":")[2])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert b"podwire stand-in for nginx" in answer.read()


@pytest.mark.proves("kubectl-port-forward")
def test_port_forward_needs_a_running_pod_and_a_served_port(pods: Kubectl) -> None:
    assert 'pods "absent" not found' in pods.refused("port-forward", "absent", ":80")
    assert "does not have a service port 1" in pods.refused("port-forward", "service/web", ":1")
    with pods.started("port-forward", "deployment/web", ":9") as forwarding:
        port = int(line(forwarding).split()[2].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as closed:
            assert closed.recv(1) == b""


@pytest.mark.proves("kubectl-run")
def test_run_and_remove_shows_output_and_exit_code(pods: Kubectl) -> None:
    run = ("run", "once", "--rm", "-i", "--quiet", "--restart=Never", "--image=busybox", "--")
    result = pods.run(*run, "sh", "-c", "wget -qO- http://web:8080 | head -n 1; exit 4")
    assert result.stdout.splitlines()[0] == "podwire stand-in for nginx"
    assert result.returncode == 4
    assert pods("get", "pod", "once", "--ignore-not-found") == ""


@pytest.mark.proves("kubectl-run")
def test_run_creates_a_pod_from_its_flags(pods: Kubectl) -> None:
    options = ("--image=nginx", "--port=80", "--env=A=1", "--labels=tier=x,app=made", "--annotations=note=y")
    printed = pods("run", "made", *options, "--expose").splitlines()
    assert sorted(printed) == ["pod/made created", "service/made created"]
    made = pods.json("get", "pod", "made")
    container = made["spec"]["containers"][0]
    assert (container["ports"][0]["containerPort"], container["env"]) == (80, [{"name": "A", "value": "1"}])
    assert (made["metadata"]["labels"], made["metadata"]["annotations"]) == (
        {"tier": "x", "app": "made"},
        {"note": "y"},
    )
    taken = pods.refused("run", "made", "--image=nginx")
    assert taken == 'Error from server (AlreadyExists): pods "made" already exists\n'
