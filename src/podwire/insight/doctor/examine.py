"""All checks over gathered facts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from podwire.insight.doctor import access_checks, cluster_checks, gateway_checks, machine_checks, mesh_checks
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.node_facts import NodeFacts
from podwire.insight.doctor.report import Finding, Level, Report, Verdict
from podwire.insight.doctor.rules import CHECKS

NodeCheck = Callable[[NodeFacts], Iterator[Finding]]
ClusterCheck = Callable[[ClusterFacts], Iterator[Finding]]

OF_NODES: Mapping[str, NodeCheck] = {
    "kernel": machine_checks.kernel,
    "sysctls": machine_checks.sysctls,
    "conntrack": machine_checks.conntrack,
    "mtu": machine_checks.mtu,
    "foreign-rules": machine_checks.foreign,
    "cni-configuration": machine_checks.cni_configuration,
    "agent": access_checks.agent,
    "rows": access_checks.rows,
    "api": access_checks.api,
    "credentials": access_checks.credentials,
    "dns": access_checks.dns,
    "mesh": mesh_checks.node,
}
OF_THE_CLUSTER: Mapping[str, ClusterCheck] = {
    "mtu": cluster_checks.uplinks,
    "path-mtu": cluster_checks.paths,
    "agent": cluster_checks.agents,
    "api": cluster_checks.api,
    "credentials": cluster_checks.credentials,
    "clock": cluster_checks.clocks,
    "dns": cluster_checks.dns,
    "nodes": cluster_checks.nodes,
    "pod-ranges": cluster_checks.pod_ranges,
    "programs": cluster_checks.programs,
    "gateways": gateway_checks.gateways,
    "mesh": mesh_checks.mesh,
    "other-networks": cluster_checks.other_networks,
}
SEVERITY = (Level.OK, Level.WARNING, Level.ERROR)


def examine(target: str, cluster: ClusterFacts) -> Report:
    """Return what all checks find in a cluster."""
    found = [finding for name in CHECKS for finding in _findings(name, cluster)]
    return _report(target, tuple(facts.node for facts in cluster.facts), tuple(CHECKS), found)


def examine_node(facts: NodeFacts, role: str) -> Report:
    """Return what the checks of a machine find where nothing else is known."""
    found = [finding for check in OF_NODES.values() for finding in check(facts)]
    found += access_checks.rights(facts, role)
    names = [name for name in CHECKS if name in _possible(facts)]
    return _report(facts.node, (facts.node,), names, found)


def _possible(facts: NodeFacts) -> Iterator[str]:
    """The checks of a machine for which there are facts: without a cluster there is no API server to reach."""
    yield from ("kernel", "conntrack", "foreign-rules", "cni-configuration")
    if facts.uplink is not None:
        yield "mtu"
    if facts.installed:
        yield from ("sysctls", "agent", "rows")
    if facts.api is not None:
        yield from ("api", "rights", "credentials")
    if facts.dns:
        yield "dns"


def _findings(name: str, cluster: ClusterFacts) -> Iterator[Finding]:
    if name in OF_THE_CLUSTER:
        yield from OF_THE_CLUSTER[name](cluster)
    for facts in cluster.facts:
        if name in OF_NODES:
            yield from OF_NODES[name](facts)
        elif name == "rights":
            yield from access_checks.rights(facts, cluster.role)


def _report(target: str, nodes: tuple[str, ...], names: Sequence[str], found: Sequence[Finding]) -> Report:
    return Report(target, nodes, tuple(_verdict(name, found) for name in names))


def _verdict(name: str, found: Sequence[Finding]) -> Verdict:
    own = tuple(finding for finding in found if finding.check == name)
    return Verdict(name, max((finding.level for finding in own), key=SEVERITY.index, default=Level.OK), own)
