"""From the host into a world: load balancers, node ports and published ports on loopback, and clients outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.world.harness import PODWIRE, Home, World, eventually, running

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: datagrams}
spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 53, protocol: UDP}]}
"""

QUERY = struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + b"\x0akubernetes\x07default\x03svc\x07cluster\x05local\0\0\1\0\1"


pytestmark = pytest.mark.usefixtures("world")


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_closed(port: int, address: str) -> bool:
    """Whether the port refuses; a connection made while its Service's rules are removed gets no answer."""
    try:
        return fetch(port, address) == ""
    except TimeoutError:
        return False


@pytest.fixture(scope="module")
def published() -> tuple[int, int, int]:
    """Host ports for web, for the Service without pods, and for the DNS."""
    return free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)


@pytest.fixture(scope="module")
def world(home: Home, published: tuple[int, int, int]) -> Iterator[World]:
    web, nobody, dns = published
    ports = (f"{web}=web:http", f"{nobody}=default/nobody:80", f"{dns}=kube-system/kube-dns:53/udp")
    options = [word for port in ports for word in ("--publish", port)]
    for one in running(home, "ports", "--nodes", "2", "--zones", "a,b", "--lb-pool", "203.0.113.0/24", *options):
        one.apply(MANIFEST)
        one.wait("default")
        yield one


def fetch(port: int, address: str = "127.0.0.1") -> str:
    """The answer to an HTTP request from the host; empty where the connection is reset or refused."""
    try:
        with socket.create_connection((address, port), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return client.makefile("rb").read().decode()
    except (ConnectionResetError, ConnectionRefusedError):
        return ""


def lines(world: World, kind: str, name: str) -> list[dict[str, Any]]:
    """What `podwire status` shows of a Service."""
    (status,) = json.loads(world.home.podwire("status", "--name", world.name, "-o", "json").stdout)
    return [one for one in status["services"] if (one["kind"], one["name"]) == (kind, name)]


def test_a_published_port_leads_to_its_service(published: tuple[int, int, int]) -> None:
    web, nobody, _ = published
    eventually(lambda: "stand-in for nginx" in fetch(web), 60, "the published Service answers")
    assert fetch(nobody) == "", "no pod serves this one"


def test_datagrams_are_published_too(published: tuple[int, int, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)

        def answered() -> bool:
            client.sendto(QUERY, ("127.0.0.1", published[2]))
            return client.recv(512)[:2] == QUERY[:2]

        eventually(answered, 60, "the cluster's DNS answers on the host")


def test_status_shows_where_each_port_leads(world: World, published: tuple[int, int, int]) -> None:
    (line,) = lines(world, "Published", "web")
    assert (line["host"], line["note"]) == (f"127.0.0.1:{published[0]}", "")
    assert line["address"] == world.jsonpath("service web", "{.spec.clusterIP}") + ":80"
    text = world.home.podwire("status", "--name", world.name).stdout
    assert f"127.0.0.1:{published[0]}" in text


def test_the_ports_are_open_again_after_a_crash(world: World, published: tuple[int, int, int]) -> None:
    before = world.processes()
    (relay,) = (pid for pid, name in before.items() if name == "pw-relay")
    os.kill(relay, signal.SIGKILL)
    assert "stand-in for nginx" in fetch(published[0]), "a connection waits for the next process"
    eventually(lambda: "pw-relay" in world.processes().values(), 60, "pid 1 starts it again")


def test_nodes_have_the_zones_in_turn(world: World) -> None:
    label = r"{.metadata.labels.topology\.kubernetes\.io/zone}"
    assert [world.jsonpath(f"node node-{number}", label) for number in (1, 2)] == ["a", "b"]


def test_a_port_that_is_taken_is_refused_at_the_start(fresh_home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = fresh_home.podwire("up", "--publish", f"{port}=web:80", check=False)
    assert refused.returncode == 1
    assert f"--publish {port}=default/web:80/tcp: the port is taken" in refused.stderr
    assert "No world is running" in fresh_home.podwire("status").stdout


BALANCED = """
apiVersion: v1
kind: Service
metadata: {name: NAME, annotations: {ANNOTATION}}
spec:
  type: LoadBalancer
  externalTrafficPolicy: POLICY
  selector: {app: web}
  ports: [{name: http, port: 80}]
"""
OUTSIDE = "172.18.255.1"
INTERNAL = 'networking.gke.io/load-balancer-type: "Internal"'


def balanced(name: str, policy: str = "Cluster", annotation: str = "") -> str:
    return BALANCED.replace("NAME", name).replace("POLICY", policy).replace("ANNOTATION", annotation)


def source(answer: str) -> str:
    """The client's address as a stand-in reports it."""
    return next(line for line in answer.splitlines() if line.startswith("from: ")).split()[1].rpartition(":")[0]


def test_a_load_balancer_is_reached_from_outside_and_from_the_host(world: World) -> None:
    world.apply(balanced("public"))
    inside, host = world.outside.address("public"), world.outside.host_address("public")
    assert inside.startswith("203.0.113.")
    address, _, port = host.partition(":")
    assert address.split(".")[2:] == inside.partition(":")[0].split(".")[2:], "the same last two bytes"
    assert world.allowed("outside", inside)
    assert source(fetch(int(port), address)) != OUTSIDE, "with policy Cluster a node's address is the source"
    world.kubectl("delete", "service", "public")
    eventually(lambda: is_closed(int(port), address), 60, "the port of a Service that is gone is closed")
    assert world.outside.run("curl", "-s", "-m2", inside, check=False).returncode != 0


@pytest.mark.long
def test_the_source_is_the_outside_host_where_the_policy_is_local(world: World) -> None:
    world.apply(balanced("kept", "Local"))
    inside = world.outside.address("kept")
    assert world.allowed("outside", inside)
    assert source(world.outside.run("curl", "-s", "-m5", inside).stdout) == OUTSIDE
    address, _, port = world.outside.host_address("kept").partition(":")
    assert source(fetch(int(port), address)) == OUTSIDE
    world.kill("relay")
    eventually(lambda: fetch(int(port), address), 60, "the next process opens the same port")


def test_datagrams_reach_a_node_port_where_its_endpoint_is(world: World) -> None:
    host, _, port = world.outside.host_address("datagrams").partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)

        def answer() -> str:
            client.sendto(b"hello", (host, int(port)))
            try:
                return client.recv(4096).decode()
            except OSError:
                return ""

        assert source(eventually(answer, 60, "an answer to a datagram")) == OUTSIDE


@pytest.mark.long
def test_an_internal_load_balancer_is_reached_from_nodes_only(world: World) -> None:
    world.apply(balanced("inner", annotation=INTERNAL))
    path = "{.status.loadBalancer.ingress[0].ip}"
    address = eventually(lambda: world.jsonpath("service inner", path), 60, "an internal address")
    assert world.allowed("node-1", f"{address}:80")
    world.outside.run("ip", "route", "replace", f"{address}/32", "via", "172.18.0.2")
    assert world.outside.run("curl", "-s", "-m2", address, check=False).returncode != 0
    (line,) = lines(world, "LoadBalancer", "inner")
    assert (line["host"], line["note"]) == ("", "internal: nodes and pods only")
    assert lines(world, "NodePort", "inner") == []


def listener_in_range() -> socket.socket:
    """Another program's listener, at a free port of the range of node ports."""
    for port in range(30000, 32768):
        one = socket.socket()
        try:
            one.bind(("127.0.0.1", port))
            one.listen()
        except OSError:
            one.close()
        else:
            return one
    raise AssertionError("no port of the range is free")


@pytest.mark.long
def test_a_node_port_that_is_taken_on_the_host_is_another_one_there(world: World) -> None:
    with listener_in_range() as other:
        port = other.getsockname()[1]
        ports = [{"name": "http", "port": 80, "nodePort": port}]
        spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": ports}
        world.apply(json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken"}, "spec": spec}))
        host = world.outside.host_address("taken")
        assert host != f"127.0.0.1:{port}"
        eventually(lambda: "stand-in for nginx" in fetch(int(host.partition(":")[2])), 60, "it answers there")
    (line,) = lines(world, "NodePort", "taken")
    assert line["note"] == f"127.0.0.1:{port} is taken on this host"
    events = ("events", "--field-selector", "reason=HostPortUnavailable", "-o", "name")
    eventually(lambda: world.kubectl("get", *events).stdout, 60, "an event about it")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_client_outside_ends_with_the_command(world: World, number: signal.Signals) -> None:
    words = (PODWIRE, "outside", "--name", world.name, "--", "sh", "-c", "echo $$; exec sleep 1000")
    with subprocess.Popen(
        words, env=world.home.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline().strip().isdecimal()
        os.killpg(command.pid, number)  # as a terminal sends it to a whole group
        assert command.wait(20) == (130 if number == signal.SIGINT else -number)
    eventually(lambda: "sleep" not in world.processes().values(), 60, "the program has ended")


def test_a_client_outside_gets_input_and_its_exit_status_is_passed_on(world: World) -> None:
    script = 'read line; echo "$line"; ip -4 -o address show eth0; exit 7'
    done = world.home.run(PODWIRE, "outside", "--name", world.name, "sh", "-c", script, check=False, stdin="hello\n")
    assert (done.returncode, done.stdout.startswith("hello\n"), OUTSIDE in done.stdout) == (7, True, True)
