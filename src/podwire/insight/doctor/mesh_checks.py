"""Checks of the mesh: what keeps pods without encryption, or refuses their connections. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from podwire.insight.doctor import access_checks, rules
from podwire.insight.doctor.cluster_facts import ClusterFacts
from podwire.insight.doctor.mesh_facts import MeshFacts
from podwire.insight.doctor.node_facts import NodeFacts
from podwire.insight.doctor.report import Finding

AUTHORITY = "the authority of the mesh"
RENEW = "see 'podwire mesh ca status', which has the command for it"


def mesh(cluster: ClusterFacts) -> Iterator[Finding]:
    """What objects show of it; nothing where the cluster has no mesh."""
    facts = cluster.mesh
    if facts is None:
        return
    if facts.leader == "":
        yield rules.MESH_NO_LEADER.found("the mesh")
    yield from _authority(facts, cluster.time)
    yield from _pods(facts)
    lacking = Counter(one.node for one in facts.enrolled if not one.is_redirected)
    for node, count in sorted(lacking.items()):
        first = min(one.key for one in facts.enrolled if one.node == node and not one.is_redirected)
        yield rules.MESH_NOT_REDIRECTED.found(node, count=count, pod=first, node=node)


def _authority(facts: MeshFacts, now: float) -> Iterator[Finding]:
    if facts.authority_problem:
        yield rules.MESH_AUTHORITY_UNKNOWN.found(AUTHORITY, problem=facts.authority_problem)
    if not facts.trusts:
        yield rules.MESH_NO_TRUST.found(AUTHORITY)
    for found in access_checks.ending(AUTHORITY, facts.authorities, now, RENEW):
        yield Finding(rules.MESH_NO_TRUST.check, found.level, found.object, found.finding, found.remedy)


def _pods(facts: MeshFacts) -> Iterator[Finding]:
    """The mesh's pods: one that is ready on each node with enrolled pods."""
    present = {one.node for one in facts.node_pods}
    for node in sorted({one.node for one in facts.enrolled} - present):
        yield rules.MESH_NO_POD.found(node)
    for one in facts.node_pods:
        if one.trouble:
            yield rules.MESH_POD_TROUBLE.found(f"pod {one.key}", problem=one.trouble, pod=one.key.name, node=one.node)


def node(facts: NodeFacts) -> Iterator[Finding]:
    """What the mesh's program on a node reports; nothing where none runs."""
    found = facts.mesh
    if found is None:
        return
    if found.problem:
        yield rules.MESH_NOT_READY.found(facts.node, problem=found.problem)
    if not found.is_connected:
        yield rules.MESH_ENVOY_AWAY.found(facts.node)
    for kind, count in sorted(found.refusals.items()):
        yield rules.MESH_REFUSED.found(facts.node, count=count, kind=kind)
    if found.lacking:
        yield rules.MESH_LACKING.found(facts.node, count=found.lacking)
    if found.late:
        yield rules.MESH_LATE.found(facts.node, count=found.late)
    if found.has_wrong_options:
        yield rules.MESH_OPTIONS.found(facts.node)
