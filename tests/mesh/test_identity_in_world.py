"""Identities in a world: each pod's own on its own node, and no failed connection while the root is rotated."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from podwire.lab.host.role_specs import MESH_CONTROLLER
from podwire.testing import World
from podwire.testing.home import Home
from podwire.testing.waiting import eventually
from tests.world.harness import running

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {podwire.dev/mesh: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: back, namespace: shop}
spec: {selector: {app: back}, ports: [{port: 80}]}
"""
POD = """
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop, labels: {app: NAME}}
spec:
  serviceAccountName: NAME
  nodeName: NODE
  containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
"""
CALLER = """
import grpc, re, sys
with grpc.insecure_channel('unix:' + sys.argv[1]) as channel:
    call = channel.unary_stream('/SpiffeWorkloadAPI/FetchX509SVID')
    try:
        found = next(call(b'', metadata=(('workload.spiffe.io', 'true'),), timeout=60))
        print(re.search(rb'spiffe://[a-z./-]*', found).group().decode())
    except grpc.RpcError as error:
        print(error.code().name)
"""
TOKEN_CALLER = """
import grpc, re, sys
with grpc.insecure_channel('unix:' + sys.argv[1]) as channel:
    def call(method, body):
        metadata = (('workload.spiffe.io', 'true'),)
        return channel.unary_unary('/SpiffeWorkloadAPI/' + method)(body, metadata=metadata, timeout=60)
    try:
        token = re.search(rb'eyJ[A-Za-z0-9_.-]*', call('FetchJWTSVID', b'\\x0a\\x02db')).group()
        size = bytes([len(token) & 127 | 128, len(token) >> 7])
        found = call('ValidateJWTSVID', b'\\x0a\\x02db\\x12' + size + token)
        print(re.search(rb'spiffe://[a-z./-]*', found).group().decode())
    except grpc.RpcError as error:
        print(error.code().name)
"""
CLIENT = """
import socket, sys, time
failed, served = [], 0
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    try:
        with socket.create_connection((sys.argv[1], 80), timeout=20) as client:
            client.sendall(b'GET / HTTP/1.0\\r\\nHost: back\\r\\n\\r\\n')
            assert client.recv(100).startswith(b'HTTP/1')
            served += 1
    except (OSError, AssertionError) as error:
        failed.append(repr(error))
    time.sleep(0.02)
print(served, *failed)
"""
ROTATION_SECONDS = 75
"""Nodes replace their leaves within a minute of the change."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    for one in running(Home(tmp_path_factory.mktemp("home")), "identity", "--nodes", "2"):
        pods = "".join(
            POD.replace("NAME", name).replace("NODE", node) for name, node in (("front", "node-1"), ("back", "node-2"))
        )
        one.apply(MANIFEST + pods)
        shop = one.within("shop")
        shop.wait()
        wait_for_redirection(shop)
        yield shop


def wait_for_redirection(shop: World) -> None:
    label = ("get", "pods", "-l", "podwire.dev/mesh-redirection=enabled", "-o", "name")
    eventually(lambda: len(shop.kubectl(*label).stdout.split()) == 2, 120)


def sockets(world: World) -> dict[str, str]:
    """Return the socket of the Workload API of each node."""
    find = ("find", "/run/podwire/ephemeral", "-name", "socket", "-path", "*workload-api*")
    paths = world.run_in("node-1", *find).stdout.split()
    return {node: one for one in paths for node in ("node-1", "node-2") if f"/{node}/" in one}


def caller(world: World, target: str, socket: str, program: str = CALLER) -> str:
    return world.run_in(target, sys.executable, "-c", program, socket).stdout.strip()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_pod_gets_its_own_identity_from_its_own_node_and_from_no_other(world: World) -> None:
    eventually(lambda: len(sockets(world)) == 2, 60)
    one, two = sockets(world)["node-1"], sockets(world)["node-2"]
    assert caller(world, "front", one) == "spiffe://cluster.local/ns/shop/sa/front"
    assert caller(world, "back", two) == "spiffe://cluster.local/ns/shop/sa/back"
    assert caller(world, "front", two) == caller(world, "back", one) == "PERMISSION_DENIED"
    assert caller(world, "node-1", one) == caller(world, "outside", one) == "PERMISSION_DENIED"
    assert caller(world, "front", one, TOKEN_CALLER) == "spiffe://cluster.local/ns/shop/sa/front"
    assert caller(world, "front", two, TOKEN_CALLER) == "PERMISSION_DENIED"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_connection_fails_while_the_root_is_rotated_and_the_controller_is_killed(world: World) -> None:
    address = world.jsonpath("service/back", "{.spec.clusterIP}")
    before = roots(world)
    world.home.podwire("mesh", "ca", "rotate", "--name", world.name)
    world.kill(MESH_CONTROLLER)
    found = world.run_in(
        "front", sys.executable, "-c", CLIENT, address, str(ROTATION_SECONDS), timeout=ROTATION_SECONDS + 60
    )
    served, *failed = found.stdout.split(maxsplit=1)
    assert failed == []
    assert int(served) > 100
    after = roots(world)
    assert len(after) == 2
    assert before < after
    status = world.home.podwire("mesh", "ca", "status", "--name", world.name).stdout
    signing = re.search(r"^Signs .* of root (\w+)", status, re.MULTILINE)
    assert signing is not None
    assert signing.group(1) not in before
    assert "node-1: 2 certificates" in status, "its leaf was replaced"
    assert "node-2: 2 certificates" in status


def roots(world: World) -> set[str]:
    text = world.home.podwire("mesh", "ca", "status", "--name", world.name).stdout
    return set(re.findall(r"^Root +(\w+)", text, re.MULTILINE))
