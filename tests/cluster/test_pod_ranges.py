"""The pod range allocator on a real kube-apiserver, whose controller manager allocates no podCIDRs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.cluster.api import wait
from tools.cluster.layout import Layout

from tests.cluster.conftest import NAME
from tools.cluster import kubectl, start, stop

SECONDS = 120.0
POOLS = ("--pod-pool", "10.244.0.0/16,fd00:10:244::/56", "--pod-pool", "10.250.0.0/22:22@pool=large")
THIRD = '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "x", "labels": {"pool": "large"}}}'

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@contextlib.contextmanager
def controller(layout: Layout, log: Path) -> Iterator[None]:
    words = (sys.executable, "-m", "podwire", "controller", "--kubeconfig", str(layout.kubeconfig), *POOLS)
    with log.open("ab") as output, subprocess.Popen([*words, "--bind-address", ""], stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()


def ranges(layout: Layout) -> dict[str, list[str]]:
    """The podCIDRs of each Node."""
    found = kubectl.items(kubectl.of(layout.kubeconfig), "nodes")
    return {node["metadata"]["name"]: node["spec"].get("podCIDRs", []) for node in found}


def test_nodes_get_ranges_of_their_pools_and_keep_them(state: Path) -> None:
    layout = start.start(start.Options(NAME, 2, pod_ranges=False), lambda _: None)
    run = kubectl.of(layout.kubeconfig)
    try:
        assert ranges(layout) == {"node-1": [], "node-2": []}
        run("label", "node", "node-2", "pool=large")
        with controller(layout, state / "controller.log"):
            wait("each node has ranges", SECONDS, lambda: all(ranges(layout).values()))
        expected = {"node-1": ["10.244.0.0/24", "fd00:10:244::/64"], "node-2": ["10.250.0.0/22"]}
        assert ranges(layout) == expected
        run("create", "-f", "-", text=THIRD)
        with controller(layout, state / "controller.log"):
            wait("the third node is refused", SECONDS, lambda: condition(layout, "x").get("status") == "False")
            assert condition(layout, "x")["reason"] == "PodPoolExhausted"
            run("delete", "node", "x")
        assert ranges(layout) == expected
    finally:
        stop.stop(layout)


def condition(layout: Layout, name: str) -> dict[str, Any]:
    found = kubectl.items(kubectl.of(layout.kubeconfig), "nodes")
    conditions = next(node["status"].get("conditions", []) for node in found if node["metadata"]["name"] == name)
    return next((one for one in conditions if one["type"] == "podwire.dev/PodRangesAvailable"), {})
