"""Checks of one node's machine: kernel, parameters, links, rules, network configurations. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.doctor import rules
from podwire.insight.doctor.foreign_rules import FIREWALLS
from podwire.insight.doctor.node_facts import CniFile, LinkFact, NodeFacts
from podwire.insight.doctor.report import Finding

PLUGIN_TYPE = "podwire"
FULL, FILLING = 95, 75
"""Percent of the table of connections."""
TUNNEL_HEADER = 50
"""Bytes that VXLAN over IPv4 adds at least (RFC 7348)."""

CLEAN_UP = {
    "firewalld": "'firewall-cmd --permanent --zone=trusted --add-source=RANGE', or 'systemctl disable --now firewalld'",
    "ufw": "'ufw route allow from RANGE', or 'ufw disable'",
    "Calico": "restart the node, or remove the chains that begin with cali-",
    "Cilium": "'cilium-dbg post-uninstall-cleanup', or restart the node",
}
RESTART = "restart the node"


def kernel(facts: NodeFacts) -> Iterator[Finding]:
    """What the kernel lacks, and parts that could not be read."""
    for one in facts.features:
        if not one.ok:
            rule = rules.FEATURE_MISSING if one.essential else rules.FEATURE_ABSENT
            values = {"feature": one.name, "serves": one.serves, "problem": one.problem, "remedy": one.remedy}
            yield rule.found(facts.node, **values)
    for part, problem in facts.problems.items():
        if part != "rights":
            yield rules.NOT_GATHERED.found(facts.node, part=part, problem=problem)


def sysctls(facts: NodeFacts) -> Iterator[Finding]:
    """Parameters that the agent sets, and that another program set back. Before an installation nothing is wrong."""
    if not facts.installed:
        return
    for name, value in facts.sysctls.items():
        dotted = name.replace("/", ".")
        if name.endswith(("ip_forward", "forwarding")) and value == "0":
            yield rules.FORWARDING_OFF.found(facts.node, name=dotted, value=value)
        if name.endswith("tcp_loose") and value != "0":
            yield rules.LOOSE_TCP.found(facts.node, name=dotted, value=value)


def conntrack(facts: NodeFacts) -> Iterator[Finding]:
    """How full the table of connections is."""
    if facts.conntrack is None or not facts.conntrack[1]:
        return
    count, limit = facts.conntrack
    percent = round(100 * count / limit)
    if percent >= FILLING:
        rule = rules.CONNTRACK_FULL if percent >= FULL else rules.CONNTRACK_FILLS
        yield rule.found(facts.node, count=count, limit=limit, percent=percent)


def mtu(facts: NodeFacts) -> Iterator[Finding]:
    """Whether what pods send fits through tunnel and uplink."""
    if facts.uplink is None:
        if facts.installed and "uplink" not in facts.problems:
            yield rules.NO_UPLINK.found(facts.node)
        return
    tunnel = next((link for link in facts.links if link.kind == "vxlan"), None)
    if tunnel is not None and tunnel.mtu > facts.uplink.mtu - TUNNEL_HEADER:
        values = {"link": tunnel.name, "mtu": tunnel.mtu, "uplink": facts.uplink.name, "limit": facts.uplink.mtu}
        yield rules.TUNNEL_TOO_LARGE.found(facts.node, **values)
    way = tunnel or facts.uplink
    for link in _pod_links(facts):
        if link.mtu > way.mtu:
            yield rules.POD_LINK_TOO_LARGE.found(facts.node, link=link.name, mtu=link.mtu, limit=way.mtu)


def _pod_links(facts: NodeFacts) -> Iterator[LinkFact]:
    return (link for link in facts.links if link.kind == "veth")


def foreign(facts: NodeFacts) -> Iterator[Finding]:
    """Rules of others."""
    for one in facts.foreign:
        if one.owner == "kube-proxy":
            yield rules.PROXY_RULES.found(facts.node, where=one.where)
            continue
        rule = rules.FIREWALL if one.owner in FIREWALLS else rules.OTHER_NETWORK_RULES
        remedy = CLEAN_UP.get(one.owner, RESTART)
        yield rule.found(facts.node, owner=one.owner, where=one.where, remedy=remedy)
    for chain in facts.dropping:
        yield rules.DROPPING_CHAIN.found(facts.node, chain=chain.chain, table=chain.table, hook=chain.hook)


def cni_configuration(facts: NodeFacts) -> Iterator[Finding]:
    """Which network plugin the runtime of this node uses."""
    own = next((file for file in facts.cni_files if PLUGIN_TYPE in file.plugins), None)
    for file in facts.cni_files:
        if file.problem:
            path = f"{facts.cni_folder}/{file.name}"
            yield rules.CNI_UNREADABLE.found(facts.node, file=path, problem=file.problem)
        elif PLUGIN_TYPE not in file.plugins:
            yield from _other_configuration(facts, file, own)
    if facts.cni_others:
        yield rules.CNI_LEFTOVERS.found(facts.node, plugins=", ".join(facts.cni_others))
    if not facts.installed:
        return
    if own is None:
        yield rules.CNI_MISSING.found(facts.node, folder=facts.cni_folder)
    elif not facts.cni_plugin_works:
        yield rules.CNI_NO_PLUGIN.found(facts.node, path=facts.cni_plugin)


def _other_configuration(facts: NodeFacts, file: CniFile, own: CniFile | None) -> Iterator[Finding]:
    path, plugins = f"{facts.cni_folder}/{file.name}", ", ".join(file.plugins)
    if own is not None and file.name < own.name:
        yield rules.CNI_PRECEDED.found(facts.node, file=path, plugins=plugins, own=own.name)
    else:
        yield rules.CNI_OTHERS.found(facts.node, file=path, plugins=plugins)
