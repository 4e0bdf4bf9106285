"""Containers of busybox images on the machine's busybox: all of its programs, everywhere, before the machine's."""

from __future__ import annotations

import shlex

import pytest

from podwire.lab.host import userns
from tests.world.harness import World, eventually

USER = 33 if userns.available_map().full else 0

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  initContainers:
  - {name: until, image: busybox, command: [sh, -c, "until nc -z web 80; do sleep 1; done"]}
  containers:
  - name: main
    image: alpine:3
    command: [sh, -c, "echo $0; exec sleep 1000"]
    securityContext: {runAsUser: %d, readOnlyRootFilesystem: true}
    lifecycle: {postStart: {exec: {command: [nc, -z, web, "80"]}}}
    readinessProbe: {exec: {command: [nc, -z, web, "80"]}, periodSeconds: 1}
  - {name: door, image: busybox, command: [httpd, -f, -p, "81"]}
---
apiVersion: v1
kind: Pod
metadata: {name: own-path}
spec:
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "echo $PATH and $(PATH); exec sleep 1000"]
    env: [{name: PATH, value: "/usr/bin:/bin"}]
"""


POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {run: closed}}}
"""


@pytest.fixture(scope="module")
def pods(quarter: World) -> World:
    quarter.apply(PODS.replace("%d", str(USER)))
    quarter.apply(POLICY)
    for name in ("web", "closed"):
        quarter.kubectl("run", name, "--image=nginx", "--port=80", "--expose")
    quarter.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=50s")
    return quarter


@pytest.mark.proves("image-busybox")
def test_an_init_container_waits_with_nc_and_a_probe_and_a_hook_use_it(pods: World) -> None:
    assert pods.jsonpath("pod waits", "{.status.initContainerStatuses[0].state.terminated.exitCode}") == "0"
    assert pods.jsonpath("pod waits", "{.status.phase}") == "Running"
    assert pods.kubectl("logs", "waits", "-c", "main").stdout == "sh\n"


@pytest.mark.proves("image-busybox")
@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("nc -z web 80", 0, ""),
        ("nc -zv -w 30 localhost 81", 0, "open"),
        ("nc -w 30 -z localhost 82", 1, "refused"),
        ("sh -c 'nc -z localhost 82 || nc -z web 80'", 0, ""),
        ("sh -c 'wget -qO- web | grep -q stand-in && echo | nc -w 30 web 80'", 0, ""),
        ("telnet", 1, "BusyBox"),
        ("sh -c 'wget -qO- --timeout=30 http://web | grep -q stand-in'", 0, ""),
        ("wget -q -O /dev/null -T 30 web", 0, ""),
        ("wget --spider -T 30 web", 0, "remote file exists"),
        ("wget -qO- --timeout=1 http://closed", 1, "download timed out"),
        ("wget -qO- -T1 closed", 1, "download timed out"),
        ("wget --spider --timeout=1 http://closed", 1, "download timed out"),
        ("wget -qO /dev/null -T 30 https://kubernetes.default/version", 0, ""),
        ("nc -zv -w 1 closed 80", 1, "timed out"),
        ("timeout 1 nc closed 80", 143, ""),
        ("timeout -t 1 nc closed 80", 143, ""),
        ("sh -c 'nslookup web && nslookup kubernetes.default && nslookup kubernetes.default.svc.cluster.local'", 0, ""),
        ("nslookup nosuch.default", 1, ""),
    ],
)
def test_exec_finds_busyboxs_programs(pods: World, command: str, code: int, words: str) -> None:
    done = pods.kubectl("exec", "waits", "-c", "main", "--", *shlex.split(command), check=False)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


@pytest.mark.proves("image-busybox")
def test_programs_by_name_are_busyboxs_and_show_the_containers_processes(pods: World) -> None:
    inside = ("exec", "waits", "-c", "main", "--", "sh", "-c")
    shown = pods.kubectl(*inside, "ps").stdout.splitlines()
    assert shown[0].split() == ["PID", "USER", "COMMAND"] or shown[0].split()[:3] == ["PID", "USER", "TIME"]
    assert any(line.split()[0] == "1" and line.endswith("sleep 1000") for line in shown[1:])
    alive = [line for line in shown[1:] if not line.endswith("]")]
    assert len(alive) <= 4, "no process of anybody else"
    assert pods.kubectl(*inside, "command -v sh; pidof sleep").stdout == "/.busybox/sh\n1\n"
    refused = pods.kubectl(*inside, "rm /.busybox/nc", check=False)
    assert "Read-only file system" in refused.stderr or "Permission denied" in refused.stderr


def test_other_programs_of_the_machine_come_after_them(pods: World) -> None:
    assert pods.kubectl("exec", "own-path", "--", "env", "--version").stdout, "the machine's, by the pod's own PATH"
    refused = pods.kubectl("exec", "waits", "-c", "main", "--", "env", "--version", check=False)
    assert "BusyBox" in refused.stderr
    assert pods.kubectl("exec", "waits", "-c", "main", "--", "python3", "-c", "print(1)").stdout == "1\n"


def test_a_pods_own_path_wins(pods: World) -> None:
    eventually(lambda: pods.kubectl("logs", "own-path").stdout != "", what="what it says")
    assert pods.kubectl("logs", "own-path").stdout == "/usr/bin:/bin and /usr/bin:/bin\n"


@pytest.mark.proves("image-busybox", "kubectl-debug")
def test_debuggers_have_them_too(pods: World) -> None:
    shape = ("debug", "web", "-i", "--image=busybox", "-c", "look")
    shown = pods.kubectl(*shape, stdin="command -v nc\nnc -z localhost 80 && echo open\nexit\n").stdout
    assert "/.busybox/nc\nopen\n" in shown


def test_copies_go_through_its_tar(pods: World) -> None:
    source = pods.home.folder / "copied"
    source.write_text("as it was")
    pods.kubectl("run", "copies", "--image=busybox", "--", "sleep", "1000")
    pods.kubectl("wait", "pod/copies", "--for=condition=Ready", "--timeout=60s")
    pods.kubectl("cp", str(source), "copies:/tmp/copied")
    pods.kubectl("cp", "copies:/tmp/copied", f"{source}.back")
    assert (source.with_name("copied.back")).read_text() == "as it was"


@pytest.mark.proves("image-busybox")
@pytest.mark.parametrize(("image", "tool"), [("busybox", "wget -qO- --timeout={}"), ("curlimages/curl", "-s -m {}")])
def test_the_command_of_all_tutorials_shows_what_a_policy_lets_through(pods: World, image: str, tool: str) -> None:
    name = image.rpartition("/")[2]
    run = ("run", f"run-{name}", f"--image={image}", "--rm", "-i", "--restart=Never", "--")
    assert "stand-in for nginx" in pods.kubectl(*run, *tool.format(30).split(), "http://web").stdout
    closed = pods.kubectl(*run, *tool.format(2).split(), "http://closed", check=False)
    assert closed.returncode != 0
    assert "stand-in" not in closed.stdout


def test_root_traces_and_lists_what_networks_have(pods: World) -> None:
    script = "traceroute -n -m 3 -w 1 web && netstat -tulpn && ip route && ping -c 1 -W 5 $(hostname -i)"
    shown = pods.kubectl("exec", "waits", "-c", "door", "--", "sh", "-c", script).stdout
    assert ":81" in shown
    assert "1 packets received" in shown


def test_a_stand_in_has_the_tools_of_busybox_after_those_of_the_machine(pods: World) -> None:
    inside = ("exec", "web", "--", "sh", "-c")
    assert "stand-in" in pods.kubectl(*inside, "wget -qO- --timeout=30 http://web").stdout
    assert pods.kubectl(*inside, "command -v busybox vi").stdout.count("/") >= 2


def test_gnu_wget_in_a_stand_in_tries_once(pods: World) -> None:
    inside = ("exec", "web", "--")
    if "GNU" not in pods.kubectl(*inside, "wget", "--version", check=False).stdout:
        pytest.skip("wget of this machine is not GNU's")
    done = pods.kubectl(*inside, "wget", "-O", "-", "--timeout=1", "http://closed", check=False)
    assert (done.returncode, "Retrying." in done.stderr) == (4, False), done.stderr


VOLUME = """
apiVersion: v1
kind: Pod
metadata: {name: carries}
spec:
  restartPolicy: Never
  initContainers:
  - name: copies
    image: busybox
    command: [sh, -c, "printf '#!/bin/sh\\necho carried $1\\n' > /tools/say && chmod +x /tools/say"]
    volumeMounts: [{name: tools, mountPath: /tools}]
  containers:
  - name: main
    image: example/app
    command: [/tools/say, over]
    volumeMounts: [{name: tools, mountPath: /tools}]
  volumes: [{name: tools, emptyDir: {}}]
"""


def test_a_program_that_an_init_container_put_into_a_volume_runs(pods: World) -> None:
    pods.apply(VOLUME)
    eventually(lambda: pods.jsonpath("pod carries", "{.status.phase}") == "Succeeded", 60, what="its end")
    assert pods.kubectl("logs", "carries").stdout == "carried over\n"
