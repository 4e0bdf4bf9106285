"""What the kernel does with real packets under the rows that policies ask for."""

import asyncio
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from podwire.engine.table import Table
from podwire.kernel.counters import CounterDump
from podwire.kernel.link_groups import LinkGroups
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kernel.nftables import Nftables
from podwire.policy.rows import Row
from podwire.policy.sink import TABLE_NAME, PolicySink
from podwire.policy.view import Owner
from tests.policy.cluster import Cluster, namespace, pod
from tests.policy.netpol import CASES, KEYS, Case, addresses, model
from tests.policy.wire import Probe, Wire, links_to_pods
from tests.sandbox import sandboxed

SOME = 4
"""Of so many cases one is tried at each run of the tests, all at the long one."""


class Enforced:
    """The table in the kernel of this thread's namespace, kept equal to the policies of a cluster."""

    def __init__(self) -> None:
        self.sink = PolicySink.here()
        self._table: Table[Owner, Row] = Table()

    async def enforce(self, cluster: Cluster) -> None:
        self._table.observe(tuple(await self.sink.read()))
        cluster.plug(links_to_pods())
        for owner in self._table.owners() - cluster.rows.keys():
            self._table.replace(owner, ())
        cluster.settle()
        for owner, rows in cluster.rows.items():
            self._table.replace(owner, rows)
        delta = self._table.delta(prune=True)
        await self.sink.write(delta)


def probes_of(case: Case) -> tuple[list[Probe], set[Probe]]:
    """Every pair of pods in both families, and those that must come through."""
    probes: list[Probe] = []
    expected: set[Probe] = set()
    for (protocol, port), source, destination in itertools.product(case.probes, KEYS, KEYS):
        for address in addresses(destination).split():
            probe = Probe(source, address, protocol, port)
            probes.append(probe)
            if case.allowed(source, destination, protocol, port):
                expected.add(probe)
    return probes, expected


@sandboxed
async def test_some_upstream_cases_with_packets() -> None:
    await prove(CASES[::SOME])


@pytest.mark.long
@sandboxed
async def test_all_upstream_cases_with_packets() -> None:
    await prove(CASES)


async def prove(cases: Sequence[Case]) -> None:
    """Try the connections of each case; what differs is listed."""
    wire = Wire({key: addresses(key) for key in KEYS})
    enter_network(wire.node.path)
    failures: list[str] = []
    kernel = Enforced()
    for case in cases:
        cluster = model()
        case.apply(cluster)
        await kernel.enforce(cluster)
        probes, expected = probes_of(case)
        reached = wire.reached(probes, expected)
        failures += [f"{case.title}: denied but reached {p}" for p in reached - expected]
        failures += [f"{case.title}: allowed but not reached {p}" for p in expected - reached]
    assert not failures, "\n".join(failures[:20])


def tcp(source: str, target: str, port: int = 80) -> Probe:
    return Probe(source, target, "TCP", port)


def check(wire: Wire, *, allowed: list[Probe], denied: list[Probe]) -> None:
    reached = wire.reached([*allowed, *denied], set(allowed))
    assert not set(allowed) - reached, f"allowed but not reached: {set(allowed) - reached}"
    assert not set(denied) & reached, f"denied but reached: {set(denied) & reached}"


SMALL = ("x/a", "x/b", "y/a")
DATAGRAMS = 20_000
HERE = ("10.0.1.1", "fd00:1::1")
"""The addresses of x/a."""
GATEWAY, OUTSIDE = "169.254.1.1", ("9.9.9.9", "fd99::9")


def small_wire() -> Wire:
    """Three pods, their node, and a machine outside; the thread is in the node's namespace afterwards."""
    wire = Wire({key: addresses(key) for key in SMALL})
    wire.plug("outside", " ".join(OUTSIDE), "eth9")
    enter_network(wire.node.path)
    return wire


@sandboxed
async def test_the_node_the_pod_itself_and_the_world_outside() -> None:
    wire, kernel, cluster = small_wire(), Enforced(), model()
    cluster.policy("x/deny", "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress]}")
    await kernel.enforce(cluster)
    check(
        wire,
        allowed=[
            *(tcp("node", ip) for ip in HERE),
            *(tcp("x/a", ip) for ip in HERE),
            *(tcp("outside", ip) for ip in addresses("x/b").split()),
            *(tcp("x/b", ip) for ip in OUTSIDE),
            tcp("x/b", GATEWAY),
        ],
        denied=[
            *(tcp("outside", ip) for ip in HERE),
            *(tcp("x/a", ip) for ip in OUTSIDE),
            tcp("x/a", GATEWAY),
        ],
    )
    dropped = CounterDump().packets(TABLE_NAME)
    assert dropped["ingress"] >= len(HERE)
    assert dropped["egress"] >= len((*OUTSIDE, GATEWAY))
    assert dropped["closed"] == 0
    cluster.policy(
        "x/allow",
        "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress],"
        " ingress: [{from: [{ipBlock: {cidr: 9.9.9.0/24}}], ports: [{port: 80}]}],"
        " egress: [{to: [{ipBlock: {cidr: 169.254.1.1/32}}, {ipBlock: {cidr: 'fd99::/64'}}]}]}",
    )
    await kernel.enforce(cluster)
    check(
        wire,
        allowed=[tcp("outside", HERE[0]), tcp("x/a", GATEWAY), tcp("x/a", OUTSIDE[1])],
        denied=[tcp("outside", HERE[0], 81), tcp("outside", HERE[1]), tcp("x/a", OUTSIDE[0])],
    )


@sandboxed
async def test_a_pod_that_no_rule_knows_is_closed_but_finds_its_neighbours() -> None:
    """GO-2024-3072: traffic passed before the policies of a start; k3s #947, kube-router #873."""
    wire, kernel, cluster = small_wire(), Enforced(), model()
    await kernel.enforce(cluster)
    wire.plug("x/new", "10.0.1.9 fd00:1::9", "pwnew")
    others = [*addresses("x/b").split(), *OUTSIDE, GATEWAY]
    outwards = [tcp("x/new", ip) for ip in others]
    inwards = [tcp(source, ip) for source in ("x/b", "outside") for ip in ("10.0.1.9", "fd00:1::9")]
    check(wire, allowed=[], denied=[*outwards, *inwards])
    assert "lladdr" in wire.hosts["x/new"].run("ip", "-6", "neighbour", "show", "fe80::1").stdout
    cluster.add(pod("x/new", "10.0.1.9 fd00:1::9"))
    await kernel.enforce(cluster)
    check(wire, allowed=[*outwards, *inwards], denied=[])


@sandboxed
async def test_services_are_judged_by_the_real_destination_and_a_pod_reaches_itself_through_one() -> None:
    wire, kernel, cluster = small_wire(), Enforced(), model()
    Nftables().run(
        """
        table inet nat {
            set hairpin { typeof ip saddr . ip daddr; elements = { 10.0.1.1 . 10.0.1.1 } }
            chain prerouting {
                type nat hook prerouting priority dstnat;
                ip daddr 10.96.0.1 tcp dport 8080 dnat ip to 10.0.1.1:80
                ip daddr 10.96.0.2 tcp dport 8080 dnat ip to 10.0.1.2:80
                ip daddr 10.96.0.3 tcp dport 80 dnat ip to 10.0.1.2:81
            }
            chain postrouting {
                type nat hook postrouting priority srcnat;
                ip saddr . ip daddr @hairpin masquerade
            }
        }
        """
    )
    cluster.policy(
        "x/p",
        "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress],"
        " egress: [{to: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}]}",
    )
    await kernel.enforce(cluster)
    check(
        wire,
        allowed=[tcp("x/a", "10.96.0.1", 8080), tcp("x/a", "10.96.0.2", 8080), tcp("y/a", "10.96.0.3")],
        denied=[tcp("x/a", "10.96.0.3"), tcp("y/a", "10.96.0.1", 8080)],
    )


CLIENTS_OF_DNS = 100
"""Twice as many datagrams are less than a socket's buffer."""


@sandboxed
async def test_netfilter_1766_parallel_queries_from_one_socket_all_arrive() -> None:
    """kind #3713, kube-network-policies #12: of queries for A and AAAA at the same time one was lost."""
    wire, kernel, cluster = small_wire(), Enforced(), model()
    Nftables().run(
        """
        table inet nat {
            chain prerouting {
                type nat hook prerouting priority dstnat;
                ip daddr 10.96.0.10 udp dport 53 dnat ip to 10.0.1.2:80
                ip daddr 10.96.0.10 udp dport 54 dnat ip to 10.0.1.2:81
            }
        }
        """
    )
    to_dns = "{to: [{podSelector: {matchLabels: {pod: b}}}], ports: [{protocol: UDP, port: 80}]}"
    cluster.policy("x/p", f"{{podSelector: {{matchLabels: {{pod: a}}}}, policyTypes: [Egress], egress: [{to_dns}]}}")
    await kernel.enforce(cluster)
    together = threading.Barrier(2)

    def query(client: socket.socket, port: int) -> None:
        together.wait()
        client.sendto(b"?", ("10.96.0.10", port))

    def arrived(port: int) -> int:
        wire.arrivals("x/b")
        for _ in range(CLIENTS_OF_DNS):
            with inside_network(wire.hosts["x/a"].path):
                client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with client, ThreadPoolExecutor(2) as threads:
                list(threads.map(query, [client] * 2, [port] * 2))
        return wire.arrivals("x/b")

    assert (arrived(53), arrived(54)) == (2 * CLIENTS_OF_DNS, 0)


@sandboxed
async def test_icmp_passes_only_where_all_ports_are_allowed() -> None:
    """GO-2022-0393: echo requests bypassed policies."""
    wire, kernel, cluster = small_wire(), Enforced(), model()

    def ping(source: str, target: str) -> bool:
        return wire.hosts[source].run("ping", "-c1", "-W0.3", target, check=False).returncode == 0

    cluster.policy(
        "x/p",
        "{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]},"
        " {from: [{podSelector: {}}], ports: [{protocol: TCP}]}]}",
    )
    await kernel.enforce(cluster)
    assert [ping("y/a", ip) for ip in HERE] == [True, True]
    assert [ping("x/b", ip) for ip in HERE] == [False, False]
    check(wire, allowed=[tcp("x/b", ip) for ip in HERE], denied=[tcp("outside", ip) for ip in HERE])


@sandboxed
async def test_an_established_connection_lives_on_when_a_policy_comes_but_no_new_one_is_made() -> None:
    wire, kernel, cluster = small_wire(), Enforced(), model()
    await kernel.enforce(cluster)
    with inside_network(wire.hosts["x/a"].path):
        server = socket.create_server((HERE[0], 90))
    with inside_network(wire.hosts["x/b"].path):
        client = socket.create_connection((HERE[0], 90), timeout=30)
    accepted, _ = server.accept()
    accepted.settimeout(30)
    cluster.policy("x/deny", "{policyTypes: [Ingress, Egress]}")
    await kernel.enforce(cluster)
    client.send(b"to the server")
    assert accepted.recv(64) == b"to the server"
    accepted.send(b"and back")
    assert client.recv(64) == b"and back"
    check(wire, allowed=[], denied=[tcp("x/b", HERE[0], 90), tcp("x/b", HERE[0])])


def flood(wire: Wire, source: str, target: str) -> socket.socket:
    """A socket that keeps sending datagrams to port 80 for as long as the test calls send."""
    with inside_network(wire.hosts[source].path):
        client = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((target, 80))
    return client


@sandboxed
async def test_the_first_packets_of_a_new_pod_go_only_where_its_policies_let_them() -> None:
    wire, kernel, cluster = small_wire(), Enforced(), model()
    cluster.policy(
        "x/p",
        "{podSelector: {matchLabels: {app: new}}, policyTypes: [Egress], egress: [{to: ["
        "{podSelector: {matchLabels: {pod: b}}}]}]}",
    )
    await kernel.enforce(cluster)
    wire.plug("x/new", "10.0.1.9 fd00:1::9", "pwnew")
    forbidden, wanted = flood(wire, "x/new", HERE[1]), flood(wire, "x/new", "fd00:1::2")
    stop = asyncio.Event()

    async def race() -> None:
        while not stop.is_set():
            forbidden.send(b"no")
            wanted.send(b"yes")
            await asyncio.sleep(0)

    racing = asyncio.create_task(race())
    await asyncio.sleep(0)
    cluster.add(pod("x/new", "10.0.1.9 fd00:1::9", labels="app=new"))
    await kernel.enforce(cluster)
    deadline = time.monotonic() + 30
    while not wire.arrivals("x/b"):
        assert time.monotonic() < deadline, "what is allowed never came through"
        await asyncio.sleep(0)
    stop.set()
    await racing
    assert wire.arrivals("x/a") == 0
    check(wire, allowed=[Probe("x/new", "fd00:1::2", "UDP", 80)], denied=[Probe("x/new", HERE[1], "UDP", 80)])


@sandboxed
async def test_nothing_passes_while_the_writer_is_killed_and_started_again() -> None:
    """GHSA-r5x6-w42p-jhpp, GO-2023-1644: filters were away for a moment while a daemon started again."""
    wire, cluster, other = small_wire(), model(), model()
    deny = "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}"
    cluster.policy("x/deny", deny)
    other.policy("x/deny", deny)
    other.policy(
        "x/more", "{ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 1, endPort: 99}]}]}"
    )
    await Enforced().enforce(model())
    check(wire, allowed=[Probe("y/a", HERE[0], "UDP", 80)], denied=[])
    await Enforced().enforce(cluster)
    denied = flood(wire, "y/a", HERE[0])
    for _ in range(5):
        kill_a_writer(cluster, other, while_it_writes=lambda: denied.send(b"no"))
    for state in (cluster, other):
        await Enforced().enforce(state)
        denied.send(b"no")
    assert wire.arrivals("x/a") == 0
    check(wire, allowed=[tcp("x/a", "10.0.2.1"), tcp("node", HERE[0])], denied=[tcp("y/a", HERE[0])])


@sandboxed
async def test_nothing_passes_while_a_link_gets_another_group() -> None:
    """A packet looks the group up several times: one that becomes 0 between two of them is in no set."""
    wire, cluster = small_wire(), model()
    cluster.policy("x/deny", "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}")
    await Enforced().enforce(cluster)
    groups = LinkGroups()
    (here,) = ((link, group) for link, group in groups.groups("pw0"))
    changes = [(here[0], 0), here] * 100
    denied = flood(wire, "y/a", HERE[0])
    sending = threading.Thread(target=lambda: [denied.send(b"no") for _ in range(DATAGRAMS)])
    sending.start()
    while sending.is_alive():
        groups.set(changes)
    sending.join()
    assert wire.arrivals("x/a") == 0
    check(wire, allowed=[tcp("x/a", "10.0.2.1")], denied=[tcp("y/a", HERE[0])])


def kill_a_writer(*states: Cluster, while_it_writes: Callable[[], object]) -> None:
    """Start a process that writes these states in turn, and kill it in the middle."""
    pid = os.fork()
    if pid == 0:
        try:
            asyncio.run(rewrite_for_ever(*states))
        finally:
            os._exit(1)
    deadline = time.monotonic() + 0.15
    while time.monotonic() < deadline:
        while_it_writes()
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


async def rewrite_for_ever(*states: Cluster) -> None:
    kernel = Enforced()
    for state in itertools.cycle(states):
        await kernel.enforce(state)


@sandboxed
async def test_datagrams_of_a_peer_do_not_reach_the_next_pod_with_the_address() -> None:
    """The peer talked with a pod that is gone, and sends on from the same port: the next pod allows it nothing."""
    wire = Wire({"x/a": "10.0.0.1 fd00::1", "x/b": "10.0.0.2 fd00::2"})
    enter_network(wire.node.path)
    cluster, kernel = Cluster(), Enforced()
    cluster.add(namespace("x"), pod("x/a", "10.0.0.1 fd00::1"), pod("x/b", "10.0.0.2 fd00::2"))
    await kernel.enforce(cluster)
    talks = [conversation(wire, target) for target in ("10.0.0.2", "fd00::2")]
    assert [talk() for talk in talks] == [True, True]
    cluster.remove(cluster.pod("x/b"))
    await kernel.enforce(cluster)
    cluster.policy("x/closed", "{podSelector: {matchLabels: {pod: c}}, ingress: []}")
    cluster.add(pod("x/c", "10.0.0.2 fd00::2"))
    await kernel.enforce(cluster)
    assert [talk() for talk in talks] == [False, False]


def conversation(wire: Wire, target: str) -> Callable[[], bool]:
    """A datagram from pod a and its answer, each time from the same port; says whether the answer came."""
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with inside_network(wire.hosts["x/b"].path):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind((target, 5300))
    with inside_network(wire.hosts["x/a"].path):
        client = socket.socket(family, socket.SOCK_DGRAM)
        client.connect((target, 5300))

    def talk() -> bool:
        server.settimeout(1)
        client.settimeout(30)
        client.send(b"hello")
        try:
            _, sender = server.recvfrom(64)
        except TimeoutError:
            return False
        server.sendto(b"hello yourself", sender)
        return client.recv(64) == b"hello yourself"

    return talk
