"""Established connections when policies change: which are forbidden, and that their packets end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Collection, Iterable, Iterator

from podwire.engine.row import Delta
from podwire.kernel.address_flows import AddressFlow
from podwire.kernel.conntrack import Conntrack
from podwire.kernel.link_end import LinkEnd
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kernel.nftables import Nftables
from podwire.policy.established import PAUSE_SECONDS, EstablishedFlows, FollowedSink, Narrowed, forbidden, narrowed
from podwire.policy.model import Direction
from podwire.policy.rows import AddressRow, IsolatedRow, LinkRow, PeerRow, PortRow, RangesRow, Row, SelfRow
from podwire.policy.sink import PolicySink
from podwire.policy.stream_resets import StreamResets
from tests.policy.cluster import Cluster, address, namespace, pod
from tests.policy.test_packets import Enforced
from tests.policy.wire import Wire
from tests.sandbox import sandboxed

IN = Direction.INGRESS
A, B, C = "10.0.0.1 fd00::1", "10.0.0.2 fd00::2", "10.0.0.3 fd00::3"
PODS = (("a", A), ("b", B), ("c", C))
FROM = "podSelector: {matchLabels: {app: b}}\ningress: [{from: [{podSelector: {matchLabels: {app: %s}}}]}]"
SERVICE = "10.96.0.1"
NAT = f"""table inet t {{ chain c {{ type nat hook prerouting priority -100;
    ip daddr {SERVICE} tcp dport 8000 dnat ip to 10.0.0.2:7000; }}; }}"""


def test_only_rows_that_forbid_concern_somebody() -> None:
    first, second = LinkEnd("pw1", 1), AddressRow(address("10.0.0.1"), 5, "uid")
    wider: tuple[Row, ...] = (PeerRow(IN, 1, 2), PortRow(IN, 1, 2, "TCP", 80), second, LinkRow(first, 5))
    assert not narrowed(Delta(wider, (IsolatedRow(IN, 1), second, SelfRow(address("10.0.0.1")))))
    assert narrowed(Delta((IsolatedRow(IN, 1),))) == Narrowed(frozenset({1}))
    assert narrowed(Delta((), (PeerRow(IN, 3, 2),))) == Narrowed(frozenset({3}))
    ranges = RangesRow(IN, 4, 2, "TCP", ((1, 9),))
    assert narrowed(Delta((ranges,), (), (ranges,))) == Narrowed(frozenset({4}))
    moved: Delta[Row] = Delta((AddressRow(address("10.0.0.1"), 6, "uid"),), (), (second,))
    assert narrowed(moved) == Narrowed(frozenset(), frozenset({address("10.0.0.1")}))


def flow(
    source: str, answering: str, port: int | None = 80, protocol: int = 6, *, related: bool = False
) -> AddressFlow:
    return AddressFlow(protocol, address(source), address(answering), port, related, b"")


def test_flows_are_judged_by_the_policies_of_this_nodes_pods_alone() -> None:
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", "10.0.0.1", labels="app=a"), pod("x/b", "10.0.0.2", labels="app=b"))
    cluster.add(pod("x/far", "10.0.1.1", node="node-2", labels="app=b"))
    cluster.policy("x/from", f"{FROM % 'c'}\n")
    ended = [
        flow("10.0.0.1", "10.0.0.2"),
        flow("10.0.0.1", "10.0.0.2", protocol=17),
        flow("10.0.0.1", "10.0.0.2", None, protocol=1),
        flow("192.0.2.9", "10.0.0.2"),
    ]
    kept = [
        flow("10.0.0.2", "10.0.0.1"),  # its egress is free
        flow("10.0.0.1", "10.0.1.1"),  # judged on the node of the other
        flow("10.0.0.2", "10.0.0.2"),  # itself
        flow("192.168.0.1", "10.0.0.2"),  # the node
        flow("10.0.0.1", "10.0.0.2", related=True),
        flow("192.0.2.9", "192.0.2.10"),
    ]
    assert list(forbidden(cluster.view, [*kept, *ended], {address("192.168.0.1")})) == ended


class Streams:
    """Connections to one pod: bytes that are sent on one, and those that have arrived."""

    def __init__(self, wire: Wire, server: str) -> None:
        self._wire = wire
        self._server = server
        self._stack = contextlib.ExitStack()
        self._ends: dict[str, tuple[socket.socket, socket.socket]] = {}

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tcp(self, name: str, client: str, target: str, port: int, real: str) -> None:
        """Connect; `real` is the address at which the server listens on port 7000."""
        family = socket.AF_INET6 if ":" in real else socket.AF_INET
        with inside_network(self._wire.hosts[self._server].path):
            server = self._stack.enter_context(socket.create_server((real, 7000), family=family, reuse_port=True))
        with inside_network(self._wire.hosts[client].path):
            mine = self._stack.enter_context(socket.create_connection((target, port), timeout=30))
        server.settimeout(30)
        theirs = self._stack.enter_context(server.accept()[0])
        server.close()
        theirs.setblocking(False)
        self._ends[name] = mine, theirs

    def udp(self, name: str, client: str, target: str, port: int) -> None:
        """Exchange a datagram and its answer: an entry that is established."""
        with inside_network(self._wire.hosts[self._server].path):
            theirs = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            theirs.bind((target, port))
        with inside_network(self._wire.hosts[client].path):
            mine = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            mine.connect((target, port))
        theirs.settimeout(30)
        mine.settimeout(30)
        mine.send(b"?")
        _, other = theirs.recvfrom(10)
        theirs.sendto(b"!", other)
        assert mine.recv(10) == b"!"
        theirs.setblocking(False)
        self._ends[name] = mine, theirs

    def ended_ends(self, expected: set[str]) -> set[str]:
        """Send nothing, wait until both ends of all of these have ended; return whose ends have, "NAME client"."""
        wanted = {f"{name} {end}" for name in expected for end in ("client", "server")}
        found: set[str] = set()
        deadline = time.monotonic() + 30
        while not wanted <= found and time.monotonic() < deadline:
            for name, ends in self._ends.items():
                for end, one in zip(("client", "server"), ends, strict=True):
                    if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        found.add(f"{name} {end}")
            time.sleep(0.005)
        return found

    def alive(self, expected: set[str]) -> set[str]:
        """Send on all, those expected last; return the names of those that arrived once all of these have."""
        for name in sorted(self._ends, key=lambda one: one in expected):
            self._ends[name][0].send(b"x")
        arrived: set[str] = set()
        deadline = time.monotonic() + 30
        while not expected <= arrived and time.monotonic() < deadline:
            arrived |= set(self._arrived())
            time.sleep(0.005)
        return arrived | set(self._arrived())

    def _arrived(self) -> Iterator[str]:
        for name, (_, theirs) in self._ends.items():
            with contextlib.suppress(BlockingIOError):
                if theirs.recv(100):
                    yield name


@sandboxed
async def test_forbidden_streams_end_and_their_neighbours_live_on() -> None:
    """network-policy-api #305, calico #2759: what exists when a policy comes."""
    wire = Wire({"x/a": A, "x/b": B, "x/c": C})
    enter_network(wire.node.path)
    Nftables().run(NAT)
    cluster = Cluster()
    cluster.add(namespace("x"), *(pod(f"x/{one}", ips, labels=f"app={one}") for one, ips in PODS))
    cluster.policy("x/from", "podSelector: {matchLabels: {app: b}}\ningress: [{}]")
    kernel = Enforced()
    await kernel.enforce(cluster)
    established = EstablishedFlows(cluster.view, cluster.numbers)
    with Streams(wire, "x/b") as streams:
        for one in "ac":
            streams.tcp(f"{one} IPv4", f"x/{one}", "10.0.0.2", 7000, "10.0.0.2")
            streams.tcp(f"{one} IPv6", f"x/{one}", "fd00::2", 7000, "fd00::2")
            streams.tcp(f"{one} Service", f"x/{one}", SERVICE, 8000, "10.0.0.2")
            streams.udp(f"{one} UDP", f"x/{one}", "10.0.0.2", 7001 if one == "a" else 7002)
        ways = ("IPv4", "IPv6", "Service", "UDP")
        of_a, of_c = ({f"{one} {way}" for way in ways} for one in "ac")
        cluster.policy("x/from", FROM % "c")
        await kernel.enforce(cluster)
        assert streams.alive(of_a | of_c) == of_a | of_c, "rules alone keep what exists"
        # Another agent, which follows; the change is that of the peer, then of the policy.
        kernel.sink = FollowedSink(PolicySink.here(), established)  # type: ignore[assignment]
        following = asyncio.create_task(established.run())
        established.judge_all()
        await ended(established, 4)
        assert streams.alive(of_c) == of_c
        cluster.policy("x/from", FROM % "a")
        await kernel.enforce(cluster)
        await ended(established, 8)
        assert streams.alive({"a UDP"}) == {"a UDP"}, "datagrams that are allowed again, and no stream"
        following.cancel()


async def ended(established: EstablishedFlows, count: int) -> None:
    """Wait until so many entries were deleted."""
    for _ in range(6000):
        if established.ended >= count:
            break
        await asyncio.sleep(0.005)
    assert established.ended == count


@sandboxed
async def test_both_ends_of_idle_streams_that_are_cut_are_reset() -> None:
    wire = Wire({"x/a": A, "x/b": B, "x/c": C})
    enter_network(wire.node.path)
    Nftables().run(NAT)
    cluster = Cluster()
    cluster.add(namespace("x"), *(pod(f"x/{one}", ips, labels=f"app={one}") for one, ips in PODS))
    kernel = Enforced()
    servers = {address(text): str(wire.hosts["x/b"].path) for text in B.split()}
    resets = StreamResets(lambda: servers)  # the clients may be on other nodes
    established = EstablishedFlows(cluster.view, cluster.numbers, resets=resets)
    kernel.sink = FollowedSink(PolicySink.here(), established)  # type: ignore[assignment]
    await kernel.enforce(cluster)
    following = asyncio.create_task(established.run())
    with Streams(wire, "x/b") as streams:
        for one in "ac":
            streams.tcp(f"{one} IPv4", f"x/{one}", "10.0.0.2", 7000, "10.0.0.2")
            streams.tcp(f"{one} IPv6", f"x/{one}", "fd00::2", 7000, "fd00::2")
            streams.tcp(f"{one} Service", f"x/{one}", SERVICE, 8000, "10.0.0.2")
        cluster.policy("x/from", FROM % "c")
        await kernel.enforce(cluster)
        cut = {f"a {way}" for way in ("IPv4", "IPv6", "Service")}
        ends = await asyncio.to_thread(streams.ended_ends, cut)
        assert ends == {f"{name} {end}" for name in cut for end in ("client", "server")}
        await ended(established, 3)
    following.cancel()


@sandboxed
async def test_a_stream_is_cut_also_where_its_pod_cannot_be_entered() -> None:
    wire = Wire({"x/a": A, "x/b": B})
    enter_network(wire.node.path)
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", A, labels="app=a"), pod("x/b", B, labels="app=b"))
    kernel = Enforced()
    gone = StreamResets(lambda: {address("10.0.0.2"): "/run/no-such-namespace"})
    established = EstablishedFlows(cluster.view, cluster.numbers, resets=gone)
    kernel.sink = FollowedSink(PolicySink.here(), established)  # type: ignore[assignment]
    await kernel.enforce(cluster)
    following = asyncio.create_task(established.run())
    with Streams(wire, "x/b") as streams:
        streams.tcp("stream", "x/a", "10.0.0.2", 7000, "10.0.0.2")
        cluster.policy("x/from", FROM % "c")
        await kernel.enforce(cluster)
        await ended(established, 1)
        assert streams.alive(set()) == set()
    following.cancel()


@sandboxed
async def test_a_label_that_changes_ends_what_the_peer_had() -> None:
    wire = Wire({"x/a": A, "x/b": B})
    enter_network(wire.node.path)
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", A, labels="app=a"), pod("x/b", B, labels="app=b"))
    cluster.policy("x/from", FROM % "a")
    kernel = Enforced()
    established = EstablishedFlows(cluster.view, cluster.numbers)
    kernel.sink = FollowedSink(PolicySink.here(), established)  # type: ignore[assignment]
    await kernel.enforce(cluster)
    following = asyncio.create_task(established.run())
    with Streams(wire, "x/b") as streams:
        streams.tcp("stream", "x/a", "10.0.0.2", 7000, "10.0.0.2")
        assert streams.alive({"stream"}) == {"stream"}
        cluster.add(pod("x/a", A, labels="app=other"))
        await kernel.enforce(cluster)
        await ended(established, 1)
        assert streams.alive(set()) == set()
    following.cancel()


@sandboxed
async def test_entries_of_pods_that_are_gone_end_at_once_in_all_protocols() -> None:
    wire = Wire({"x/a": A, "x/b": B, "x/c": C})
    enter_network(wire.node.path)
    cluster = Cluster()
    cluster.add(namespace("x"), *(pod(f"x/{one}", ips, labels=f"app={one}") for one, ips in PODS))
    kernel = Enforced()
    await kernel.enforce(cluster)
    with Streams(wire, "x/b") as streams:
        streams.tcp("a", "x/a", "10.0.0.2", 7000, "10.0.0.2")
        streams.tcp("a6", "x/a", "fd00::2", 7000, "fd00::2")
        streams.tcp("c", "x/c", "10.0.0.2", 7000, "10.0.0.2")
        streams.udp("u", "x/a", "10.0.0.2", 7001)
        cluster.remove(cluster.pod("x/a"))
        await kernel.enforce(cluster)
        table = Conntrack()
        left = table.flows_of([address("10.0.0.1"), address("fd00::1")])
        assert left == []
        assert streams.alive({"c"}) == {"c"}


class Failing:
    """Connection tracking whose first answer is a fault of the program."""

    def __init__(self) -> None:
        self.read: list[Collection[object]] = []

    def flows_of(self, addresses: Collection[object]) -> list[AddressFlow]:
        self.read.append(addresses)
        if len(self.read) == 1:
            raise ZeroDivisionError("by a defect")
        return []

    def delete_flows(self, flows: Iterable[AddressFlow]) -> None:
        assert not list(flows)


async def test_a_fault_is_tried_again_and_ends_nothing_else() -> None:
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", A))
    tracking = Failing()
    established = EstablishedFlows(cluster.view, cluster.numbers, tracking=tracking)
    running = asyncio.create_task(established.run())
    established.judge_all()
    async with asyncio.timeout(60):
        while len(tracking.read) < 2:
            assert not running.done()
            await asyncio.sleep(0.01)
    running.cancel()


async def test_changes_of_a_moment_are_judged_together() -> None:
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", A))
    tracking = Failing()
    tracking.read.append(())  # no fault
    established = EstablishedFlows(cluster.view, cluster.numbers, tracking=tracking)
    running, began = asyncio.create_task(established.run()), time.monotonic()
    async with asyncio.timeout(60):
        while len(tracking.read) < 4:
            established.judge_all()
            await asyncio.sleep(0.001)
    assert time.monotonic() - began > 2 * PAUSE_SECONDS * 0.99
    running.cancel()
