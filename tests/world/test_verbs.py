"""The smaller verbs of the command line against a real world."""

import os
import signal
import struct
import subprocess

import pytest

from podwire.lab.base.proc_stat import start_time
from tests.world.harness import PODWIRE, Home, Result, World, eventually
from tests.world.test_up_and_down import contexts, folders

MAGIC = 0xA1B2C3D4
"""Of a pcap file with microseconds (pcap-savefile(5))."""

WEB = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: nginx}]}\n"


def verb(world: World, name: str, *arguments: str, check: bool = True) -> Result:
    return world.home.podwire(name, "--name", world.name, *arguments, check=check)


def test_capture_writes_the_packets_of_a_pod_as_pcap(quarter: World) -> None:
    quarter.apply(WEB)
    quarter.kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=60s")
    address = quarter.jsonpath("pod web", "{.status.podIP}")
    pod = f"{quarter.namespace}/web"
    command = [PODWIRE, "capture", "--name", quarter.name, pod, "--count", "2", "--seconds", "20"]
    with subprocess.Popen(command, env=quarter.home.environment, stdout=subprocess.PIPE) as capturing:
        assert capturing.stdout is not None
        header = capturing.stdout.read(24)
        assert struct.unpack("=I", header[:4])[0] == MAGIC
        assert quarter.run_in("node-1", "ping", "-c2", "-W2", address).returncode == 0
        packets, _ = capturing.communicate(timeout=30)
    assert capturing.returncode == 0
    assert bytes(map(int, address.split("."))) in packets


def test_kubectl_works_whatever_the_current_context_is(cluster: World) -> None:
    assert "node-2" in verb(cluster, "kubectl", "get", "nodes").stdout
    assert verb(cluster, "kubectl", "--", "get", "pod", "absent", check=False).returncode == 1


def test_logs_are_those_of_podwires_own_processes(cluster: World) -> None:
    names = verb(cluster, "logs").stdout.split()
    assert {"init", "apiserver", "agent-node-1", "runtime-node-2"} <= set(names)
    (upstream,) = (pid for pid, name in cluster.processes().items() if name == "pw-upstream")
    os.kill(upstream, signal.SIGKILL)
    eventually(
        lambda: "upstream ended with -9" in verb(cluster, "logs", "init").stdout, 10, "the word of the first process"
    )
    assert "there are: " in verb(cluster, "logs", "nobody", check=False).stderr


@pytest.mark.long
def test_the_next_up_clears_away_what_a_killed_world_left(fresh_home: Home) -> None:
    fresh_home.podwire("up", "--quiet", "--name", "a")
    first = World(fresh_home, "a").pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: start_time(first) is None, 60, "the end of the first process")
    fresh_home.podwire("up", "--quiet", "--name", "b")
    try:
        assert folders(fresh_home) == ["b"]
        assert contexts(fresh_home) == ["podwire-b"]
    finally:
        fresh_home.podwire("down", "--name", "b")
