"""Facts of a cluster in which nothing is wrong, to be changed by tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from podwire.agent.agent_status import AgentStatus, InformerState
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.node_facts import (
    ApiFact,
    CniFile,
    DnsFact,
    Expiry,
    LinkFact,
    NodeFacts,
    Peer,
    ProbeFact,
)
from podwire.insight.doctor.report import Finding, Rule
from podwire.kernel.feature_check import FeatureResult
from podwire.kube.core import Node, NodeAddress, NodeSpec, NodeStatus
from podwire.kube.meta import Condition, ObjectMeta
from tests.insight.operations.scene import pod

NOW = 1_800_000_000.0
YEAR = 365 * 86400.0
PEER = Peer("b", "192.0.2.2")
WELL = NodeFacts(
    node="a",
    time=NOW,
    features=(FeatureResult("sets", True, True, "Services"),),
    sysctls={"net/ipv4/ip_forward": "1", "net/netfilter/nf_conntrack_tcp_loose": "0"},
    conntrack=(10, 1000),
    uplink=LinkFact("eth0", "veth", 1500),
    links=(LinkFact("pw1", "veth", 1500),),
    cni_folder="/etc/cni/net.d",
    cni_files=(CniFile("05-podwire.conflist", ("podwire",)),),
    cni_plugin="/opt/cni/bin/podwire",
    cni_plugin_works=True,
    agent=AgentStatus("1.0", "a", True, (InformerState("pods", True, 3.0),)),
    api=ApiFact("https://x", "", 3.0, 0.0, NOW + YEAR),
    expiries=(Expiry("token", NOW + 3000, renewed=True), Expiry("client certificate", NOW + YEAR)),
    probes=(ProbeFact(PEER, 1500, True, True),),
    dns=(DnsFact("10.96.0.10", "UDP"),),
)


def node(name: str, block: str, address: str, *conditions: Condition) -> Node:
    return Node(
        metadata=ObjectMeta(name=name),
        spec=NodeSpec(pod_cidrs=(block,) if block else ()),
        status=NodeStatus(
            addresses=(NodeAddress(type="InternalIP", address=address),) if address else (),
            conditions=conditions or (Condition(type="Ready", status="True"),),
        ),
    )


CLUSTER = ClusterFacts(
    NOW,
    (node("a", "10.244.0.0/24", "192.0.2.1"), node("b", "10.244.1.0/24", "192.0.2.2")),
    (WELL, msgspec.structs.replace(WELL, node="b")),
    {},
    (pod("a"), pod("b"), pod("a", name="dns")),
    (),
    ("10.244.0.0/16",),
    ("10.96.0.0/16",),
    ("10.96.0.10",),
    api=ApiFact("https://x", "", 3.0, 0.0),
)


def facts(**changes: Any) -> NodeFacts:
    return msgspec.structs.replace(WELL, **changes)


def cluster(**changes: Any) -> ClusterFacts:
    return msgspec.structs.replace(CLUSTER, **changes)


def kinds(found: Iterable[Finding], rules: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    """For each finding its object and the text of its rule before the first value."""
    known = {(rule.check, rule.level, rule.finding.partition("{")[0]) for rule in rules}
    for one in found:
        assert any(
            one.check == check and one.level == level and one.finding.startswith(text) for check, level, text in known
        )
        yield one.object, one.finding
