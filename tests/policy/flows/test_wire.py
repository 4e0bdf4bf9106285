"""Records of real packets: what policy.nft and allowed.nft hand over."""

import time

from podwire.agent.flow_records import GROUP
from podwire.kernel.namespaces import enter_network
from podwire.kernel.nftables import Nftables
from podwire.kernel.packet_log import PacketLog
from podwire.policy.flows.allowed import TABLE, text
from podwire.policy.flows.attempts import Attempts
from podwire.policy.flows.describing import Scene
from podwire.policy.flows.record import Flow
from tests.policy.cluster import Cluster, namespace, network_policy, pod
from tests.policy.flows.packets import OneService
from tests.policy.test_packets import Enforced
from tests.policy.wire import Probe, Wire
from tests.sandbox import sandboxed

A, B = "10.0.0.1 fd00::1", "10.0.0.2 fd00::2"


def drained(log: PacketLog, scene: Scene, wanted: int) -> list[Flow]:
    """Records of all attempts, once there are as many as wanted."""
    attempts = Attempts()
    found: list[Flow] = []
    deadline = time.monotonic() + 30
    while len(found) < wanted and time.monotonic() < deadline:
        for packet in log.take(100):
            assert packet is not None
            if attempts.is_new(packet, time.monotonic()):
                found.append(scene.flow(packet, time.time()))
        time.sleep(0.01)
    return found


@sandboxed
async def test_dropped_and_admitted_connections_are_recorded_once_each() -> None:
    wire = Wire({"x/a": A, "x/b": B})
    enter_network(wire.node.path)
    cluster = Cluster()
    pods = [pod("x/a", A, labels="app=a"), pod("x/b", B, labels="app=b")]
    rule = "podSelector: {matchLabels: {app: b}}\ningress: [{ports: [{port: 80}]}]"
    cluster.add(namespace("x"), *pods, network_policy("x/web", rule))
    kernel = Enforced()
    await kernel.enforce(cluster)
    log = PacketLog(GROUP)
    scene = Scene("node-1", cluster.view, {one.key: one for one in pods}, OneService())
    admitted = [Probe("x/a", "10.0.0.2", "TCP", 80), Probe("x/a", "fd00::2", "TCP", 80)]
    dropped = [
        Probe("x/a", address, protocol, 81) for address in ("10.0.0.2", "fd00::2") for protocol in ("TCP", "UDP")
    ]
    wire.reached([*admitted, *dropped], set(admitted))
    flows = drained(log, scene, len(dropped))
    seen = {(flow.l4.protocol, flow.addresses.destination, flow.l4.port, flow.verdict) for flow in flows}
    assert seen == {(probe.protocol, probe.target, 81, "DROPPED") for probe in dropped}
    assert len(flows) == len(dropped)
    assert {flow.summary for flow in flows} == {"dropped by isolation of policy x/web: no rule admits"}
    nft = Nftables()
    nft.run(text(frozenset({cluster.numbers.namespace("x")})))
    wire.reached([*admitted, *dropped], set(admitted))
    flows = drained(log, scene, len(dropped) + len(admitted))
    summaries = {flow.summary for flow in flows if flow.verdict == "FORWARDED"}
    assert summaries == {"admitted by x/web ingress[0]"}
    assert sum(flow.verdict == "FORWARDED" for flow in flows) == len(admitted)
    nft.run(text(frozenset()))
    assert TABLE not in nft.run("list tables")
