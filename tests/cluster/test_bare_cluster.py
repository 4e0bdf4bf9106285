"""A cluster without a network: it runs, programs that are killed come back, and nothing of it is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tools.cluster.api import Api, wait

from tests.cluster import machine_state
from tests.cluster.conftest import NAME
from tools.cluster import control, enter, kubectl, record, start, stop

SECONDS = 120.0

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_a_cluster_runs_and_a_killed_api_server_returns(bare: record.Record) -> None:
    layout = bare.layout
    (node,) = kubectl.items(kubectl.of(layout.kubeconfig), "nodes")
    assert node["metadata"]["name"] == "node-1"
    assert not kubectl.is_ready(node), "it has no network yet"
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.37.2"
    control.request(layout.socket("node-1"), control.Verb.KILL, "kube-apiserver")
    wait("it was started again", SECONDS, lambda: starts(bare, "kube-apiserver") == 2)
    wait("it answers", SECONDS, Api(layout.kubeconfig).is_ready)
    assert starts(bare, "kubelet") == 1


def test_a_node_has_files_and_settings_of_its_own(bare: record.Record) -> None:
    enter.run(bare.layout, "node-1", "sh", "-c", "echo 1 >/etc/of-the-node; echo 0 >/proc/sys/net/ipv4/ip_forward")
    seen = enter.run(
        bare.layout, "node-1", "cat", "/etc/of-the-node", "/proc/sys/vm/overcommit_memory", "/etc/hostname"
    )
    assert seen.startswith("1\n1\n")
    assert not Path("/etc/of-the-node").exists()


def test_nothing_of_a_cluster_is_left(state: Path) -> None:
    before = machine_state.read(NAME)
    layout = start.start(start.Options(NAME, 2), lambda _: None)
    first = control.first_process(layout.socket("node-2"))
    stop.stop(layout)
    assert machine_state.read(NAME) == before
    assert not Path(f"/proc/{first}").exists()
    assert not list(state.rglob("*node-1*"))


def test_a_second_cluster_of_the_same_name_is_refused(bare: record.Record) -> None:
    command = [sys.executable, "-m", "tools.cluster", "up", "--bare", "--name", bare.name]
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (refused.returncode, f"cluster {bare.name} runs" in refused.stderr) == (2, True)
    assert Api(bare.layout.kubeconfig).is_ready()


def starts(found: record.Record, program: str) -> int:
    """How often a program was started."""
    states = control.request(found.layout.socket("node-1"), control.Verb.STATUS)
    return next(state.starts for state in states if state.name == program)
