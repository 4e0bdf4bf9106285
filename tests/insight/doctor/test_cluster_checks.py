"""Findings about the objects of a cluster, and about nodes against each other."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podwire.component.other_networks import REPLACED
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.examine import examine
from podwire.insight.doctor.node_facts import ApiFact, Expiry, LinkFact, ProbeFact
from podwire.insight.doctor.report import Finding, Level
from podwire.insight.operations.programs import Program
from podwire.kube.apps import DaemonSet
from podwire.kube.meta import Condition
from tests.insight.doctor.scene import NOW, PEER, WELL, YEAR, cluster, facts, node
from tests.insight.operations.scene import pod

DNS = pod("a", program=Program.DNS)
WELL_B = msgspec.structs.replace(WELL, node="b")


def found(given: ClusterFacts) -> tuple[Finding, ...]:
    return examine("x", given).findings


def daemon_set(name: str, selector: dict[str, str] | None = None, scheduled: int = 2) -> DaemonSet:
    text = {
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"template": {"spec": {"nodeSelector": selector or {}}}},
        "status": {"currentNumberScheduled": scheduled},
    }
    return msgspec.convert(text, DaemonSet)


def well(**changes: Any) -> ClusterFacts:
    return cluster(**{"pods": (pod("a"), pod("b"), DNS), **changes})


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    report = examine("x", well())
    assert not report.findings
    assert report.exit_status == 0
    assert {verdict.level for verdict in report.verdicts} == {Level.OK}


NOT_READY = Condition(type="Ready", status="False", reason="KubeletNotReady", message="cni plugin not initialized")
NO_ROUTE = Condition(type="NetworkUnavailable", status="True", reason="NoRouteCreated")
READY = Condition(type="Ready", status="True")


@pytest.mark.parametrize(
    ("changes", "level", "place", "words"),
    [
        ({"unreached": {"b": "no pod"}, "pods": (pod("a"), DNS)}, Level.ERROR, "b", "no pod"),
        ({"unreached": {"b": "exec failed"}}, Level.ERROR, "b", "its agent cannot be reached: exec failed"),
        ({"api": ApiFact("https://x", "refused")}, Level.ERROR, "this machine", "is not reached"),
        ({"expiries": (Expiry("client certificate", NOW + 60),)}, Level.WARNING, "this machine", "client certificate"),
        ({"api": ApiFact("https://x", "", 3.0, -5.0)}, Level.WARNING, "this machine", "differs by -5 s"),
        (
            {"facts": (WELL, facts(node="b", api=ApiFact("https://x", "", 3.0, 90.5, NOW + YEAR)))},
            Level.ERROR,
            "b",
            "differs by +90.5 s from that of the API server",
        ),
        (
            {"facts": (WELL, WELL_B, facts(node="c", uplink=LinkFact("eth0", "veth", 9000)))},
            Level.WARNING,
            "c",
            "the uplink has an mtu of 9000, most nodes have 1500",
        ),
        (
            {"facts": (facts(probes=(ProbeFact(PEER, 1500, True, False),)),)},
            Level.ERROR,
            "a",
            "packets of 1500 bytes do not reach b (192.0.2.2)",
        ),
        (
            {"facts": (facts(probes=(ProbeFact(PEER, 1500, False, False),)),)},
            Level.WARNING,
            "a",
            "b (192.0.2.2) does not",
        ),
        ({"nodes": (node("a", "10.244.0.0/24", "192.0.2.1", NOT_READY),)}, Level.ERROR, "a", "KubeletNotReady: cni"),
        ({"nodes": (node("a", "10.244.0.0/24", "192.0.2.1", NO_ROUTE, READY),)}, Level.WARNING, "a", "NoRouteCreated"),
        ({"nodes": (node("a", "10.244.0.0/24", "", READY),)}, Level.ERROR, "a", "it has no InternalIP"),
        ({"nodes": (node("a", "", "192.0.2.1"),)}, Level.ERROR, "a", "it has no podCIDR"),
        (
            {"nodes": (node("a", "10.250.0.0/24", "192.0.2.1"),)},
            Level.ERROR,
            "a",
            "is in none of the agents' --pod-cidrs",
        ),
        (
            {"nodes": (node("a", "10.244.0.0/24", "192.0.2.1"), node("b", "10.244.0.128/25", "192.0.2.2"))},
            Level.ERROR,
            "b",
            "its podCIDR 10.244.0.128/25 overlaps 10.244.0.0/24 of a",
        ),
        (
            {"nodes": (node("a", "10.244.0.0/24", "10.244.0.9"),)},
            Level.ERROR,
            "a",
            "overlaps the address of a",
        ),
        (
            {"service_ranges": ("10.244.0.0/20",), "nodes": (node("a", "10.244.0.0/24", "192.0.2.1"),)},
            Level.ERROR,
            "a",
            "overlaps the range 10.244.0.0/20 of Services",
        ),
        ({"dns": None}, Level.ERROR, "Service kube-system/kube-dns", "does not exist"),
        ({"pods": (pod("a"), pod("b"))}, Level.ERROR, "Service kube-system/kube-dns", "no pod of the cluster's DNS"),
        (
            {"pods": (pod("a"), pod("b", "container agent waits: ImagePullBackOff"), DNS)},
            Level.ERROR,
            "pod kube-system/podwire-agent-b",
            "cannot be pulled",
        ),
        (
            {"pods": (pod("a"), pod("b", "container agent waits: CrashLoopBackOff"), DNS)},
            Level.ERROR,
            "pod kube-system/podwire-agent-b",
            "it is not ready",
        ),
        (
            {"pods": (pod("a"), pod("b"), pod("c", version="0.9"), DNS)},
            Level.WARNING,
            "pod kube-system/podwire-agent-c",
            "it has version 0.9, most have 1.0",
        ),
        (
            {"pods": (msgspec.structs.replace(pod("a"), restarts=7), pod("b"), DNS)},
            Level.WARNING,
            "pod kube-system/podwire-agent-a",
            "was restarted 7 times",
        ),
        ({"daemon_sets": (daemon_set("calico-node"),)}, Level.ERROR, "DaemonSet kube-system/calico-node", "Calico"),
        ({"daemon_sets": (daemon_set("kube-proxy"),)}, Level.ERROR, "DaemonSet kube-system/kube-proxy", "on 2 nodes"),
    ],
)
def test_what_is_wrong_is_found_alone(changes: dict[str, Any], level: Level, place: str, words: str) -> None:
    (one,) = found(well(**changes))
    assert (one.level, one.object) == (level, place)
    assert words in one.finding
    assert one.remedy
    assert examine("x", well(**changes)).exit_status == (level is Level.ERROR)


def test_a_node_that_never_reported_is_not_ready() -> None:
    (one,) = found(well(nodes=(node("a", "10.244.0.0/24", "192.0.2.1", Condition(type="DiskPressure")),)))
    assert "its kubelet has never reported" in one.finding


def test_a_kube_proxy_that_runs_nowhere_is_no_finding() -> None:
    sets = (daemon_set("kube-proxy", {REPLACED: "true"}), daemon_set("kube-proxy", scheduled=0), daemon_set("other"))
    assert not found(well(daemon_sets=sets))


def test_in_a_world_an_agent_is_no_pod() -> None:
    (one,) = found(well(unreached={"b": "is off"}, pods=(DNS,), agents_are_pods=False))
    assert one.finding == "its agent cannot be reached: is off"


def test_each_range_within_that_of_another_node_is_found() -> None:
    """Ranges with bits after their prefix are what the API allows, and a kubelet may write any address."""
    ranges = {"a": "10.244.0.0/20", "b": "10.244.1.0/24", "c": "10.244.2.1/24", "d": "10.244.16.0/24"}
    nodes = tuple(node(name, block, "no address") for name, block in ranges.items())
    findings = [one for one in found(well(nodes=nodes)) if "overlaps" in one.finding]
    assert [one.object for one in findings] == ["b", "c"]
    assert all("overlaps 10.244.0.0/20 of a" in one.finding for one in findings)
