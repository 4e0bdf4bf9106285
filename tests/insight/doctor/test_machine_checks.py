"""Findings about one machine: for each what is wrong, and that nothing is found where it is right."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.insight.doctor import machine_checks as checks
from podwire.insight.doctor.node_facts import CniFile, DroppingChain, ForeignRules, LinkFact
from podwire.insight.doctor.report import Level
from podwire.kernel.feature_check import FeatureResult
from tests.insight.doctor.scene import WELL, facts

EVERY = (checks.kernel, checks.sysctls, checks.conntrack, checks.mtu, checks.foreign, checks.cni_configuration)
OWN = CniFile("05-podwire.conflist", ("podwire",))
BEFORE = CniFile("00-cilium.conf", ("cilium-cni",))
BEHIND = CniFile("10-flannel.conflist", ("flannel", "portmap"))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert not [finding for check in EVERY for finding in check(WELL)]


def test_a_machine_before_an_installation_need_not_be_set_up() -> None:
    bare = facts(installed=False, sysctls={"net/ipv4/ip_forward": "0"}, cni_files=(), cni_plugin_works=False)
    assert not [finding for check in EVERY for finding in check(bare)]


@pytest.mark.parametrize(
    ("check", "changes", "level", "words"),
    [
        (
            checks.kernel,
            {"features": (FeatureResult("maps", False, True, "Services", "refused", "load it"),)},
            Level.ERROR,
            "maps, needed for Services, does not work: refused",
        ),
        (
            checks.kernel,
            {"features": (FeatureResult("sctp", False, False, "SCTP", "no socket", "load it"),)},
            Level.WARNING,
            "sctp, used for SCTP",
        ),
        (checks.kernel, {"problems": {"links": "denied"}}, Level.WARNING, "links could not be read: denied"),
        (checks.sysctls, {"sysctls": {"net/ipv4/ip_forward": "0"}}, Level.ERROR, "net.ipv4.ip_forward is 0"),
        (checks.sysctls, {"sysctls": {"net/ipv6/conf/all/forwarding": "0"}}, Level.ERROR, "net.ipv6.conf.all.forw"),
        (checks.sysctls, {"sysctls": {"net/netfilter/nf_conntrack_tcp_loose": "1"}}, Level.WARNING, "tcp_loose is 1"),
        (checks.conntrack, {"conntrack": (800, 1000)}, Level.WARNING, "800 of 1000 entries are used (80 %)"),
        (checks.conntrack, {"conntrack": (990, 1000)}, Level.ERROR, "new connections are dropped"),
        (checks.mtu, {"links": (LinkFact("pw1", "veth", 9000),)}, Level.ERROR, "pw1 of a pod has an mtu of 9000"),
        (
            checks.mtu,
            {"links": (LinkFact("podwire.vxlan", "vxlan", 1480),)},
            Level.ERROR,
            "the tunnel podwire.vxlan has an mtu of 1480",
        ),
        (
            checks.mtu,
            {"links": (LinkFact("podwire.vxlan", "vxlan", 1430), LinkFact("pw1", "veth", 1500))},
            Level.ERROR,
            "has an mtu of 1500, the way to other nodes 1430",
        ),
        (checks.mtu, {"uplink": None}, Level.WARNING, "no link of this node has one of its InternalIPs"),
        (checks.foreign, {"foreign": (ForeignRules("ufw", "chain ufw-x"),)}, Level.ERROR, "ufw has rules here"),
        (checks.foreign, {"foreign": (ForeignRules("Calico", "chain cali-x"),)}, Level.WARNING, "rules of Calico"),
        (checks.foreign, {"foreign": (ForeignRules("kube-proxy", "chain x"),)}, Level.WARNING, "rules of kube-proxy"),
        (
            checks.foreign,
            {"dropping": (DroppingChain("ip filter", "FORWARD", "forward"),)},
            Level.WARNING,
            "the chain FORWARD of table ip filter drops",
        ),
        (checks.cni_configuration, {"cni_files": ()}, Level.ERROR, "/etc/cni/net.d has no network configuration"),
        (
            checks.cni_configuration,
            {"cni_files": (BEFORE, OWN)},
            Level.ERROR,
            "00-cilium.conf (cilium-cni) sorts",
        ),
        (checks.cni_configuration, {"cni_files": (OWN, BEHIND)}, Level.WARNING, "of flannel, portmap beside podwire's"),
        (checks.cni_configuration, {"cni_others": ("calico",)}, Level.WARNING, "are on this node: calico"),
        (checks.cni_configuration, {"cni_plugin_works": False}, Level.ERROR, "/opt/cni/bin/podwire does not exist"),
        (
            checks.cni_configuration,
            {"cni_files": (OWN, CniFile("x.conf", problem="no JSON"))},
            Level.WARNING,
            "x.conf cannot be read: no JSON",
        ),
    ],
)
def test_what_is_wrong_is_found_alone(check: Any, changes: dict[str, Any], level: Level, words: str) -> None:
    (found,) = [finding for one in EVERY for finding in one(facts(**changes))]
    assert found in list(check(facts(**changes)))
    assert (found.level, found.object) == (level, "a")
    assert words in found.finding
    assert found.remedy


def test_a_plugin_chained_into_the_own_configuration_is_no_other_one() -> None:
    chained = CniFile("05-podwire.conflist", ("podwire", "portmap"))
    assert not list(checks.cni_configuration(facts(cni_files=(chained,))))
