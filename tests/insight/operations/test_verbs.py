"""The verbs against a cluster: a world by a kubeconfig under another name, with a program in place of its agents.

The agents of a world are no pods; a script in pods with their labels shows what is run on a node, and how it ends.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podwire.kernel import pcap
from podwire.testing import Result, World, eventually
from tests.world.harness import PODWIRE

SCRIPT = r"""
echo "$@" >> /tmp/calls
case $1 in
  rows) echo "row of $NODE";;
  capture) cat /tmp/header; cat;;
  *) echo "podwire: no verb $1" >&2; exit 3;;
esac
"""


def agent(node: str) -> dict[str, Any]:
    octets = "".join(f"\\{byte:03o}" for byte in pcap.header() + pcap.record(1, b"frame", 5))
    start = f"""
mkdir /tmp/bin; printf '%s' "$SCRIPT" > /tmp/bin/podwire; chmod +x /tmp/bin/podwire; printf '{octets}' > /tmp/header
echo "agent of $NODE"; exec sleep 100000"""
    environment = {"NODE": node, "PATH": "/tmp/bin:/bin:/usr/bin", "SCRIPT": f"#!/bin/sh{SCRIPT}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"podwire-agent-{node}",
            "namespace": "kube-system",
            "labels": {"k8s-app": "podwire-agent", "app.kubernetes.io/version": "9.9"},
        },
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "agent",
                    "image": "busybox",
                    "command": ["sh", "-c", start],
                    "env": [{"name": key, "value": value} for key, value in environment.items()],
                    "readinessProbe": {"exec": {"command": ["test", "-e", "/tmp/header"]}, "periodSeconds": 1},
                }
            ],
        },
    }


class Cluster:
    """A world as a cluster: the same API server, in a kubeconfig of its own."""

    def __init__(self, world: World, kubeconfig: Path) -> None:
        self.world = world
        self.kubeconfig = kubeconfig

    def run(self, *words: str, check: bool = True) -> Result:
        return self.world.home.podwire(*words, "--kubeconfig", str(self.kubeconfig), check=check)

    def in_pod(self, node: str, *command: str) -> str:
        pod = f"podwire-agent-{node}"
        return self.world.kubectl("exec", "-n", "kube-system", pod, "--", *command, check=False).stdout

    def programs(self, node: str) -> list[str]:
        """The names of the processes in an agent's pod."""
        return self.in_pod(node, "sh", "-c", "cat /proc/[0-9]*/comm").split()


@pytest.fixture(scope="module")
def agents(cluster: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    document["contexts"][0]["name"] = document["current-context"] = "prod"
    kubeconfig = tmp_path_factory.mktemp("prod") / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(document))
    for node in ("node-1", "node-2"):
        cluster.apply(yaml.safe_dump(agent(node)))
    cluster.kubectl("wait", "-n", "kube-system", "pod", "-l", "k8s-app=podwire-agent", "--for=condition=Ready")
    yield Cluster(cluster, kubeconfig)
    cluster.kubectl("delete", "-n", "kube-system", "pod", "-l", "k8s-app=podwire-agent", "--wait=false", check=False)


def test_rows_are_those_of_all_nodes_or_of_some(agents: Cluster) -> None:
    assert agents.run("rows", "services").stdout == "node-1  row of node-1\nnode-2  row of node-2\n"
    assert agents.run("rows", "policy", "--node", "node-2").stdout == "row of node-2\n"
    assert agents.in_pod("node-2", "cat", "/tmp/calls").splitlines()[-1] == "rows policy --node-local"
    assert (
        "--node node-9: is none of node-1, node-2" in agents.run("rows", "pods", "--node", "node-9", check=False).stderr
    )


def test_explain_compares_with_the_kernel_of_each_node(agents: Cluster) -> None:
    """The script writes no rows, which is a difference of each node, not an end of the explanation."""
    shown = agents.run("explain", "service", "default/kubernetes", "--kernel").stdout
    assert "node-1: its agent has another version" in shown
    assert "node-2: its agent has another version" in shown


def test_doctor_names_the_nodes_whose_facts_it_does_not_get(agents: Cluster) -> None:
    examined = agents.run("doctor", check=False)
    assert examined.returncode == 1
    assert "error: node-2: its agent cannot be reached: pod kube-system/podwire-agent-node-2" not in examined.stdout
    assert "node-2: its agent cannot be reached: no verb doctor" in examined.stdout


def test_status_and_logs_are_read_from_the_pods(agents: Cluster) -> None:
    shown = agents.run("status").stdout
    assert shown.startswith("Cluster prod\n")
    assert any(line.split()[:4] == ["node-2", "yes", "ready", "9.9"] for line in shown.splitlines())
    assert '"overlay": "direct"' in agents.run("status", "-o", "json").stdout
    lines = agents.run("logs", "agent").stdout.splitlines()  # the logs of several nodes come as they are read
    assert sorted(lines) == ["node-1 | agent of node-1", "node-2 | agent of node-2"]
    assert agents.run("logs", "agent", "--node", "node-2").stdout == "agent of node-2\n"
    assert "podwire-agent-node-1" in agents.run("logs").stdout
    assert "in a cluster there are agent, dns, controller" in agents.run("logs", "apiserver", check=False).stderr


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_a_capture_ends_it_on_the_node(agents: Cluster, tmp_path: Path, how: signal.Signals) -> None:
    written = tmp_path / "pcap"
    command = [PODWIRE, "capture", "node-2", "-i", "eth0", "-w", str(written)]
    environment = agents.world.home.environment
    with subprocess.Popen(
        [*command, "--kubeconfig", str(agents.kubeconfig)], env=environment, stderr=subprocess.PIPE, text=True
    ) as capturing:
        try:
            eventually(lambda: "podwire" in agents.programs("node-2"), 60, "the program on the node")
            eventually(lambda: written.exists() and written.stat().st_size == 45, 60, "the packet")
        finally:
            capturing.send_signal(how)
        _, complaint = capturing.communicate(timeout=60)
    assert how is signal.SIGKILL or complaint.endswith("1 packets\n")
    eventually(lambda: "podwire" not in agents.programs("node-2"), 60, "the end on the node")
    called = agents.in_pod("node-2", "tail", "-1", "/tmp/calls")
    assert called.startswith("capture --interface eth0 --without-port 10250 ")
    assert called.endswith(" --node-local\n")


@pytest.mark.long
def test_an_account_without_the_right_gets_the_remedy(agents: Cluster, tmp_path: Path) -> None:
    world = agents.world
    world.kubectl("create", "clusterrole", "ops-reader", "--verb=get,list", "--resource=pods,nodes", check=False)
    world.kubectl("create", "serviceaccount", "ops-reader", "-n", "default", check=False)
    world.kubectl(
        "create", "clusterrolebinding", "ops-reader", "--clusterrole=ops-reader", "--serviceaccount=default:ops-reader"
    )
    try:
        token = world.kubectl("create", "token", "ops-reader", "-n", "default").stdout.strip()
        document = yaml.safe_load(agents.kubeconfig.read_text())
        document["users"][0]["user"] = {"token": token}
        (tmp_path / "reader").write_text(yaml.safe_dump(document))
        refused = Cluster(world, tmp_path / "reader").run("rows", "services", check=False)
    finally:
        world.kubectl("delete", "clusterrolebinding/ops-reader", "clusterrole/ops-reader", "serviceaccount/ops-reader")
    assert refused.returncode == 1
    assert "needs a Role that may create pods/exec there" in refused.stderr
    assert "Traceback" not in refused.stderr
