"""The gate for new pods, restarts, and what must not happen while objects are missing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podwire.engine import reconcile
from podwire.engine.sink import FakeSink, RefusedError
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.policy import policies as policies_module
from podwire.policy.decisions import DENY as DENIED
from podwire.policy.decisions import Decision
from podwire.policy.identities import IdentityAllocator
from podwire.policy.model import Direction
from podwire.policy.numbering import ANY_POD
from podwire.policy.peers import PeerPods
from podwire.policy.policies import Policies, PolicyFeeds
from podwire.policy.rows import AddressRow, IsolatedRow, Row
from podwire.policy.tier_rows import TierRow
from tests.policy.cluster import address, cluster_policy, namespace, network_policy, peer, pod

DENY_PODS = "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}"


class FakeFeed:
    """An informer that the test speaks for."""

    def __init__(self) -> None:
        self.synced = asyncio.Event()
        self._objects: dict[NamespacedName, Any] = {}
        self._listeners: list[Callable[[Change[Any]], None]] = []
        self._changed = asyncio.Event()

    @property
    def objects(self) -> Mapping[NamespacedName, Any]:
        return self._objects

    def subscribe(self, listener: Callable[[Change[Any]], None]) -> None:
        self._listeners.append(listener)
        for item in self._objects.values():
            listener(Change(None, item))

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def say(self, *items: Any) -> None:
        for item in items:
            self._tell(Change(self._objects.get(item.key), item))
            self._objects[item.key] = item
            self._changed.set()

    def drop(self, item: Any) -> None:
        self._tell(Change(self._objects.pop(item.key), None))

    def _tell(self, change: Change[Any]) -> None:
        for listener in self._listeners:
            listener(change)


class FakePeers(FakeFeed):
    """Pods of other nodes, which the test sends when they are required."""

    def __init__(self) -> None:
        super().__init__()
        self.required = False

    def require(self) -> None:
        self.required = True


def with_annotations(item: Pod, annotations: dict[str, str]) -> Pod:
    metadata = msgspec.structs.replace(item.metadata, annotations=annotations)
    return msgspec.structs.replace(item, metadata=metadata)


class Node:
    """The wiring of one node over a fake kernel and a real file of numbers, both of which outlive it."""

    def __init__(self, folder: Path, kernel: FakeSink[Row], *known: Any) -> None:
        self.pods, self.namespaces, self.policies = FakeFeed(), FakeFeed(), FakeFeed()
        self.policies.say(*known)
        self.cluster_policies, self.nodes = FakeFeed(), FakeFeed()
        self.peers = FakePeers()
        self.numbers = IdentityAllocator(folder / "numbers.db")
        self.kernel = kernel
        feeds = PolicyFeeds(self.pods, self.namespaces, self.policies, self.cluster_policies, self.nodes, self.peers)
        self.work = Policies("node-1", feeds, kernel, self.numbers)

    def synced(self, *, peers: bool = True) -> None:
        required = (self.pods, self.namespaces, self.policies, self.cluster_policies, self.nodes)
        for feed in (*required, *([self.peers] if peers else [])):
            feed.synced.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.work.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.numbers.close()

    def addresses(self) -> set[str]:
        return {str(row.address) for row in self.kernel.held.values() if isinstance(row, AddressRow)}


A = pod("x/a", "", labels="app=web")
DENY = network_policy("x/deny", "{policyTypes: [Ingress]}")
IP = [address("10.244.1.2"), address("fd00::2")]


async def quiet() -> None:
    """Let everything run that can run without waiting for the test."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
def kernel() -> FakeSink[Row]:
    return FakeSink()


async def test_the_gate_opens_when_the_rows_of_the_pod_stand(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    async with node.running():
        gate = asyncio.create_task(node.work.admit(A.key, A.metadata.uid, IP))
        await quiet()
        assert not gate.done(), "nothing is known yet"
        node.namespaces.say(namespace("x"))
        node.policies.say(DENY)
        node.synced()
        await quiet()
        assert not gate.done(), "the pod is not known yet"
        assert node.addresses() == set()
        node.pods.say(A)
        await asyncio.wait_for(gate, 60)
        assert node.addresses() == {"10.244.1.2", "fd00::2"}
        numbers = {row.identity for row in kernel.held.values() if isinstance(row, AddressRow)}
        assert {IsolatedRow(Direction.INGRESS, number) for number in numbers} <= set(kernel.held.values())


async def test_the_gate_does_not_open_for_another_pod_of_that_name(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced()
        node.pods.say(pod("x/a", uid="uid-before"))
        gate = asyncio.create_task(node.work.admit(A.key, A.metadata.uid, IP))
        await quiet()
        assert not gate.done()
        node.pods.say(A)
        await asyncio.wait_for(gate, 60)


@pytest.mark.parametrize("annotation", ["kubernetes.io/config.mirror", "kubernetes.io/config.hash"])
async def test_the_gate_opens_for_a_static_pod(tmp_path: Path, kernel: FakeSink[Row], annotation: str) -> None:
    """Its runtime knows it by the hash of its file, the API by the uid of its mirror pod."""
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced()
        node.pods.say(with_annotations(A, {annotation: "hash-of-the-file"}))
        other = asyncio.create_task(node.work.admit(A.key, "another hash", [address("10.244.1.9")]))
        await asyncio.wait_for(node.work.admit(A.key, "hash-of-the-file", IP), 60)
        assert node.addresses() == {"10.244.1.2", "fd00::2"}
        await quiet()
        assert not other.done()
        other.cancel()
        node.work.detach(A.key, "another hash", [address("10.244.1.9")])
        await asyncio.wait_for(node.work.release(A.key, "hash-of-the-file", IP), 60)
        assert node.addresses() == set()


async def test_a_runtime_that_passes_no_uid_means_the_pod_of_that_name(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    b = pod("x/b", "")
    async with node.running():
        node.synced()
        node.pods.say(A, b)
        await asyncio.wait_for(node.work.admit(A.key, "", IP), 60)
        await asyncio.wait_for(node.work.admit(b.key, "", [address("10.244.1.3")]), 60)
        assert node.addresses() == {"10.244.1.2", "fd00::2", "10.244.1.3"}
        await asyncio.wait_for(node.work.release(A.key, "", IP), 60)
        assert node.addresses() == {"10.244.1.3"}


async def test_a_row_that_the_kernel_refuses_keeps_its_own_pod_out_with_the_reason(
    tmp_path: Path, kernel: FakeSink[Row]
) -> None:
    node = Node(tmp_path, kernel)
    kernel.refuses = {IP[0]}
    async with node.running():
        node.synced()
        node.pods.say(A, pod("x/b", ""))
        with pytest.raises(RefusedError, match=r"policy: 10\.244\.1\.2 is .* is refused: the fake sink refuses"):
            await asyncio.wait_for(node.work.admit(A.key, A.metadata.uid, IP), 60)
        await asyncio.wait_for(node.work.admit(NamespacedName("x", "b"), "uid-x/b", [address("10.244.1.3")]), 60)
        assert any(line.startswith("refused: 10.244.1.2") for line in node.work.lines())


async def test_a_pod_that_the_kernel_refuses_to_isolate_is_closed_until_it_can(
    tmp_path: Path, kernel: FakeSink[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "RETRY_REFUSED_SECONDS", 0.01)
    node = Node(tmp_path, kernel)
    async with node.running(), asyncio.timeout(60):
        node.synced()
        node.pods.say(A)
        await node.work.admit(A.key, A.metadata.uid, IP)
        (number,) = {row.identity for row in kernel.held.values() if isinstance(row, AddressRow)}
        isolated = IsolatedRow(Direction.INGRESS, number)
        kernel.refuses = {isolated}
        node.policies.say(DENY)
        while node.addresses():  # noqa: ASYNC110  nothing reports what the kernel holds
            await asyncio.sleep(0.001)
        kernel.refuses = ()
        while node.addresses() != {"10.244.1.2", "fd00::2"}:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert isolated in kernel.held.values()


async def test_a_pod_whose_decisions_the_kernel_refuses_is_closed_until_it_takes_them(
    tmp_path: Path, kernel: FakeSink[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ClusterNetworkPolicy that is not in the kernel would deny nothing."""
    monkeypatch.setattr(reconcile, "RETRY_REFUSED_SECONDS", 0.01)
    node = Node(tmp_path, kernel)
    async with node.running(), asyncio.timeout(60):
        node.synced()
        node.pods.say(A)
        await node.work.admit(A.key, A.metadata.uid, IP)
        (number,) = {row.identity for row in kernel.held.values() if isinstance(row, AddressRow)}
        denied = TierRow(Direction.INGRESS, number, 0, ANY_POD, Decision(DENIED))
        kernel.refuses = {denied.key}
        node.cluster_policies.say(cluster_policy("deny", DENY_PODS))
        while node.addresses():  # noqa: ASYNC110  nothing reports what the kernel holds
            await asyncio.sleep(0.001)
        kernel.refuses = ()
        while node.addresses() != {"10.244.1.2", "fd00::2"}:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert denied in kernel.held.values()


async def test_an_obstacle_names_what_the_gate_waits_for(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    assert "has not sent pod x/a with uid uid-x/a" in node.work.obstacle(A.key, A.metadata.uid)
    node.pods.say(A)
    assert node.work.obstacle(A.key, A.metadata.uid) == "its policies are not written yet"
    node.numbers.close()


async def test_the_gate_stays_closed_while_the_kernel_refuses(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    kernel.fail = 2
    async with node.running():
        node.synced()
        node.pods.say(A)
        gate = asyncio.create_task(node.work.admit(A.key, A.metadata.uid, IP))
        await quiet()
        assert not gate.done()
        await asyncio.wait_for(gate, 60)
        assert node.addresses() == {"10.244.1.2", "fd00::2"}


async def test_released_addresses_are_removed_when_it_returns(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced()
        node.pods.say(A)
        await node.work.admit(A.key, A.metadata.uid, IP)
        await node.work.release(A.key, A.metadata.uid, IP)
        assert node.addresses() == set()


async def test_a_restart_changes_nothing_in_the_kernel(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    objects = [pod(f"x/p{n}", labels=f"app=a{n}") for n in range(5)]
    policy = network_policy("x/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: a1}}}]}]}")
    for attempt in range(2):
        node = Node(tmp_path, kernel)
        ordered = objects if attempt == 0 else objects[::-1]
        for number, item in enumerate(objects):
            node.work.attach(item.key, item.metadata.uid, [address(f"10.244.1.{number}")])
        async with node.running():
            batches = len(kernel.batches)
            node.pods.say(*ordered)
            await quiet()
            assert len(kernel.batches) == batches, "not before everything is known"
            node.policies.say(policy)
            node.namespaces.say(namespace("x"))
            node.synced()
            await node.work.settle()
            if attempt:
                assert len(kernel.batches) == batches
    assert len(kernel.held) > 10


async def test_a_restart_without_the_file_of_numbers_gives_out_none_that_the_kernel_holds(
    tmp_path: Path, kernel: FakeSink[Row]
) -> None:
    left_over = AddressRow(address("10.244.1.9"), 0x80010001)
    kernel.held = {left_over.key: left_over}
    node = Node(tmp_path, kernel)
    async with node.running():
        node.pods.say(A)
        node.synced()
        await node.work.admit(A.key, A.metadata.uid, IP)
        held = {row.identity for row in kernel.held.values() if isinstance(row, AddressRow)}
        assert held
        assert left_over.identity not in held


async def test_numbers_are_released_when_nothing_needs_them(tmp_path: Path, kernel: FakeSink[Row]) -> None:
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced()
        node.pods.say(A)
        await node.work.admit(A.key, A.metadata.uid, IP)
        assert node.numbers.allocations()
        node.pods.drop(A)
        await node.work.release(A.key, A.metadata.uid, IP)
        await quiet()
        assert node.numbers.allocations() == ()


async def test_what_cannot_be_derived_is_closed(
    tmp_path: Path, kernel: FakeSink[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced()
        node.pods.say(A)
        await node.work.admit(A.key, A.metadata.uid, IP)
        assert not any(isinstance(row, IsolatedRow) for row in kernel.held.values())
        monkeypatch.setattr(policies_module, "rows", broken)
        node.policies.say(DENY)
        await node.work.settle()
        isolated = {row.direction for row in kernel.held.values() if isinstance(row, IsolatedRow)}
        assert isolated == set(Direction)


REMOTE = pod("y/client", "10.244.2.9", node="node-2", labels="app=client")
ADMITTING = network_policy("x/admit", "{ingress: [{from: [{namespaceSelector: {}}]}]}")


async def test_pods_of_other_nodes_are_required_by_policies_that_read_them_alone(
    tmp_path: Path, kernel: FakeSink[Row]
) -> None:
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced(peers=False)
        for spec in ("{}", "{ingress: [{}]}", "{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}]}"):
            node.policies.say(network_policy("x/own", spec))
            await quiet()
            assert not node.peers.required, spec
        node.policies.say(network_policy("x/own", "{egress: [{ports: [{port: web}]}]}"))
        assert node.peers.required, "the destination gives the name its number"


async def test_a_policy_is_applied_only_when_the_pods_that_it_admits_are_known(
    tmp_path: Path, kernel: FakeSink[Row]
) -> None:
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced(peers=False)
        node.pods.say(A)
        await asyncio.wait_for(node.work.admit(A.key, A.metadata.uid, IP), 60)
        node.policies.say(ADMITTING, DENY)
        await quiet()
        assert not any(isinstance(row, IsolatedRow) for row in kernel.held.values())
        late = asyncio.create_task(node.work.admit(A.key, A.metadata.uid, [address("10.244.1.3")]))
        await quiet()
        assert not late.done(), "a new pod waits for policies"
        node.peers.say(peer(PeerPods(), REMOTE))
        node.peers.synced.set()
        await asyncio.wait_for(late, 60)
        assert any(isinstance(row, IsolatedRow) for row in kernel.held.values())
        assert "10.244.2.9" in node.addresses()


async def test_a_policy_isolates_after_a_while_though_other_pods_are_not_known(
    tmp_path: Path, kernel: FakeSink[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies_module, "DEFER_SECONDS", 0.05)
    node = Node(tmp_path, kernel)
    async with node.running():
        node.synced(peers=False)
        node.pods.say(A)
        await asyncio.wait_for(node.work.admit(A.key, A.metadata.uid, IP), 60)
        node.policies.say(ADMITTING)
        await asyncio.wait_for(node.work.settle(), 60)
        assert any(isinstance(row, IsolatedRow) for row in kernel.held.values())
        node.peers.say(peer(PeerPods(), REMOTE))
        await asyncio.wait_for(node.work.settle(), 60)
        assert "10.244.2.9" in node.addresses()


async def test_a_restart_removes_nothing_before_the_pods_that_policies_admit_are_known(
    tmp_path: Path, kernel: FakeSink[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """cilium #35685: a restart decided by incomplete data."""
    monkeypatch.setattr(policies_module, "DEFER_SECONDS", 0.0)
    for restart in (False, True):
        node = Node(tmp_path, kernel, ADMITTING)  # the informers run before it
        node.pods.say(A)
        async with node.running():
            gate = asyncio.create_task(node.work.admit(A.key, A.metadata.uid, IP))
            node.synced(peers=False)
            await quiet()
            assert not gate.done()
            assert ("10.244.2.9" in node.addresses()) is restart
            node.peers.say(peer(PeerPods(), REMOTE))
            node.peers.synced.set()
            await asyncio.wait_for(gate, 60)
            assert "10.244.2.9" in node.addresses()


READS_PEERS = network_policy("x/from", "{ingress: [{from: [{podSelector: {matchLabels: {app: far}}}]}]}")


async def test_without_the_server_known_pods_start_by_known_policies_and_others_stay_closed(
    tmp_path: Path, kernel: FakeSink[Row]
) -> None:
    """Known before, and given to the feeds now: a pod of each node, a policy that reads those of others."""
    node = Node(tmp_path, kernel)
    async with node.running():
        gate = asyncio.create_task(node.work.admit(A.key, A.metadata.uid, IP))
        other = asyncio.create_task(node.work.admit(NamespacedName("x", "b"), "uid-x/b", [address("10.244.1.3")]))
        await quiet()
        assert not gate.done(), "nobody has said that the server is away"
        node.work.start_without_server()
        made = peer(PeerPods(), pod("x/far", "10.0.1.1", node="node-2", labels="app=far"))
        node.peers.say(made)
        node.namespaces.say(namespace("x"))
        node.pods.say(A)
        node.policies.say(READS_PEERS)
        await asyncio.wait_for(gate, 60)
        assert {str(one) for one in IP} <= node.addresses()
        isolated = [row for row in kernel.held.values() if isinstance(row, IsolatedRow)]
        assert [row.direction for row in isolated] == [Direction.INGRESS]
        await quiet()
        assert not other.done(), "what is not known stays closed"
        assert "10.244.1.3" not in node.addresses()
        node.synced()
        node.policies.drop(READS_PEERS)
        await node.work.settle()
        assert not [row for row in kernel.held.values() if isinstance(row, IsolatedRow)], "the server is back"
        other.cancel()
