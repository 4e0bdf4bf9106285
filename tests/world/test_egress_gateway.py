"""examples/egress with real packets: sources that the outside host sees, a policy, and the death of the gateway."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.testing import World
from podwire.testing.plugin import StartWorld
from tests.world.harness import PODWIRE, eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "egress"
SERVER = Path(__file__).with_name("source_server.py")
OUTSIDE = ("172.18.255.1", "fd00:172:18::ff01")
STABLE = ("172.18.250.1", "fd00:172:18::250:1")
PORT = 8080
CLIENT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 2) as connection:
        print(connection.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""
DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: no-egress}
spec: {podSelector: {matchLabels: {egress: stable}}, policyTypes: [Egress]}
"""


@contextlib.contextmanager
def server(world: World) -> Iterator[None]:
    program = (sys.executable, "-I", "-S", str(SERVER), str(PORT))
    command = [PODWIRE, "exec", "--name", world.name, "outside", "--", *program]
    process = subprocess.Popen(command, env=world.home.environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def seen(world: World, pod: str) -> tuple[str, ...]:
    """The source addresses of a pod that the outside host sees, by IP version."""
    words = (sys.executable, "-I", "-S", "-c", CLIENT)
    return tuple(world.run_in(f"default/{pod}", *words, one, str(PORT)).stdout.strip() for one in OUTSIDE)


@pytest.mark.long
@pytest.mark.parametrize("overlay", ["direct", "vxlan"])
def test_selected_pods_keep_their_address_when_the_gateway_node_dies(fresh_world: StartWorld, overlay: str) -> None:
    world = fresh_world(nodes=3, overlay=overlay)
    world.apply(EXAMPLE)
    world.wait("default")
    with server(world):
        eventually(lambda: seen(world, "stable") == STABLE, 60, "the gateway's addresses")
        assert seen(world, "other") == ("172.18.0.2", "fd00:172:18::2")
        assert world.jsonpath("egressgateway stable", "{.status.node}") == "node-2"
        assert world.allowed("default/stable", "default/other:80"), "pods reach each other as before"
        world.apply(DENY)
        eventually(lambda: STABLE[0] not in seen(world, "stable"), 60, "the policy")
        assert seen(world, "stable") == ("TimeoutError", "TimeoutError")
        world.kubectl("delete", "networkpolicy", "no-egress")
        eventually(lambda: seen(world, "stable") == STABLE, 60, "the end of the policy")
        world.home.podwire("node", "stop", "--name", world.name, "node-2")
        eventually(lambda: world.jsonpath("egressgateway stable", "{.status.node}") == "node-3", 60, "the second node")
        eventually(lambda: seen(world, "stable") == STABLE, 60, "the same addresses by the second node")
        world.home.podwire("node", "stop", "--name", world.name, "node-3")
        condition = '{.status.conditions[?(@.type=="Serving")].reason}'
        eventually(lambda: world.jsonpath("egressgateway stable", condition) == "NoReadyNode", 60, "no node")
        assert not set(seen(world, "stable")) & {*STABLE, "172.18.0.2", "fd00:172:18::2"}
        assert seen(world, "other") == ("172.18.0.2", "fd00:172:18::2")
        world.kubectl("delete", "egressgateway", "stable")
        eventually(lambda: seen(world, "stable") == ("172.18.0.2", "fd00:172:18::2"), 60, "the node's own address")
