"""kubectl debug: into a pod, beside a container of it, in a copy of it, and on a node."""

from __future__ import annotations

import json

import pytest

from tests.world.harness import KUBECTL, World
from tests.world.terminal import Terminal


@pytest.fixture(scope="module")
def pods(quarter: World) -> World:
    quarter.kubectl("run", "web", "--image=nginx", "--port=80")
    quarter.kubectl("run", "sleeper", "--image=busybox", "--", "sleep", "1000")
    quarter.kubectl("wait", "pod/web", "pod/sleeper", "--for=condition=Ready", "--timeout=60s")
    return quarter


def debug(pods: World, *arguments: str, typed: str) -> str:
    return pods.kubectl("debug", *arguments, stdin=f"{typed}\nexit 5\n").stdout


@pytest.mark.proves("ephemeral-containers", "kubectl-debug")
def test_a_debugger_shares_the_network_of_its_pod_and_the_processes_of_its_target(pods: World) -> None:
    address = pods.jsonpath("pod sleeper", "{.status.podIP}")
    shape = ("sleeper", "-i", "--image=busybox", "-c", "d1", "--target=sleeper", "--", "sh")
    shown = debug(
        pods, *shape, typed="ip -4 address show eth0; cat /proc/1/cmdline; echo; cat /proc/1/root/etc/hostname"
    )
    assert (address in shown, "sleep\0" + "1000" in shown, "\nsleeper\n" in shown) == (True, True, True)
    status = json.loads(pods.jsonpath("pod sleeper", "{.status.ephemeralContainerStatuses[0]}"))
    assert (status["name"], status["state"]["terminated"]["exitCode"]) == ("d1", 5)
    assert pods.jsonpath("pod sleeper", "{.status.phase} {.status.containerStatuses[0].restartCount}") == "Running 0"
    apart = debug(pods, "sleeper", "-i", "--image=busybox", "-c", "d2", "--", "sh", typed="cat /proc/1/cmdline")
    assert "sleep" not in apart
    assert "1000" in pods.kubectl("exec", "sleeper", "--", "cat", "/proc/1/cmdline").stdout


def test_an_image_of_tools_that_is_not_here_gives_those_of_this_machine_and_says_so(pods: World) -> None:
    assert "stand-in for nginx" in debug(
        pods, "web", "-i", "--image=nicolaka/netshoot", "-c", "d1", typed="wget -qO- localhost"
    )
    assert "stand-in for nginx" in pods.kubectl("logs", "web", "-c", "d1").stdout
    events = pods.kubectl("get", "events", "--field-selector=involvedObject.name=web").stdout
    assert 'image "nicolaka/netshoot" is not pulled: container d1 runs this machine\'s programs' in events


def test_a_debugger_with_a_terminal_can_be_left_and_attached_to_again(pods: World) -> None:
    command = (KUBECTL, f"--context=podwire-{pods.name}", f"--namespace={pods.namespace}")
    shape = ("debug", "-it", "web", "--image=busybox", "-c", "t1", "--", "sh")
    with Terminal((*command, *shape), pods.home.environment, rows=30, columns=70) as terminal:
        terminal.until("#")
        terminal.type("left=behind; stty size\n")
        terminal.until("30 70")
    with Terminal(
        (*command, "attach", "-it", "web", "-c", "t1"), pods.home.environment, rows=30, columns=70
    ) as terminal:
        terminal.type("echo was $left\n")
        terminal.until("was behind")
        terminal.type("exit\n")
        terminal.end()


def test_a_debugger_of_a_target_that_is_not_there_is_refused(pods: World) -> None:
    refused = pods.kubectl("debug", "web", "--image=busybox", "--target=nobody", check=False)
    assert refused.returncode != 0
    assert 'targetContainerName: Not found: "nobody"' in refused.stderr


def test_a_copy_of_a_pod_has_the_debugger_beside_it(pods: World) -> None:
    shown = debug(pods, "web", "-i", "--copy-to=web2", "--image=busybox", "-c", "shell", typed="wget -qO- localhost")
    assert f"pod: {pods.namespace}/web2" in shown


def test_on_a_node_the_debugger_has_its_network_and_sees_its_programs_alone(pods: World) -> None:
    look = "ip -4 address; chroot /host cat /etc/hostname; touch /host/usr/x 2>&1; ls -A /host/root /host/var"
    shown = debug(pods, "node/node-1", "-i", "--image=busybox", typed=look)
    assert ("172.18.0.2/16" in shown, "\nnode-1\n" in shown, "Read-only file system" in shown) == (True, True, True)
    assert shown.endswith("/host/root:\n\n/host/var:\nlib\nlog\nrun\ntmp\n"), "nothing that is anybody's"
    rules = debug(pods, "node/node-1", "-i", "--image=busybox", "--profile=netadmin", typed="nft list tables")
    assert "podwire-policy" in rules
