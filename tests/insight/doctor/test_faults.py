"""Faults that are made for real in a world are found, and nothing before."""

from __future__ import annotations

import json

import pytest

from podwire.testing import World
from tests.world.harness import eventually

Found = set[tuple[str, str, str]]
"""Level, check and object of each finding."""


def examined(world: World, status: int) -> Found:
    result = world.home.podwire("doctor", "--name", world.name, "-o", "json", check=False)
    assert result.returncode == status, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["nodes"] == ["node-1", "node-2"]
    found = [one for verdict in report["verdicts"] for one in verdict["findings"] if one["check"] != "kernel"]
    return {(one["level"], one["check"], one["object"]) for one in found}


@pytest.mark.long
def test_each_fault_of_a_node_is_found(world: World) -> None:
    world.kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns")
    assert examined(world, 0) == set()
    for command in (
        ("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"),
        ("ip", "link", "set", "eth0", "mtu", "1400"),
        ("nft", "flush set inet podwire-pods ranges4"),
        ("nft", "add table ip filter; add chain ip filter cali-FORWARD"),
        ("nft", "add chain ip filter FORWARD { type filter hook forward priority 0; policy accept; }"),
    ):
        assert world.run_in("node-2", *command).returncode == 0
    rules = '[{"op": "remove", "path": "/rules/0"}]'
    world.kubectl("patch", "clusterrole", "podwire:agent", "--type=json", "-p", rules)
    found: Found = set()

    def lost() -> bool:
        found.update(examined(world, 1))  # the API server follows roles
        return ("error", "rights", "node-2") in found

    eventually(lost, 60, "the loss of rights")
    assert found >= {
        ("error", "sysctls", "node-2"),
        ("error", "path-mtu", "node-1"),
        ("error", "rows", "node-2"),
        ("warning", "foreign-rules", "node-2"),
        ("error", "rights", "node-1"),
        ("error", "rights", "node-2"),
    }
    assert not {one for one in found if one[1] in {"sysctls", "foreign-rules"}} & {
        ("error", "sysctls", "node-1"),
        ("warning", "foreign-rules", "node-1"),
    }
    assert "elements = {" in world.run_in("node-2", "nft", "list set inet podwire-pods ranges4").stdout
    assert ("warning", "rows", "node-2") in examined(world, 1), "it is written again"


@pytest.mark.long
def test_a_node_that_is_off_is_found(world: World) -> None:
    world.home.podwire("node", "stop", "node-2", "--name", world.name)
    result = world.home.podwire("doctor", "--name", world.name, check=False)
    assert result.returncode == 1
    assert "error: node-2: its agent cannot be reached" in result.stdout or "node-2: no agent answers" in result.stdout
