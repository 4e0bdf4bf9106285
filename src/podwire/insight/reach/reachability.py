"""Who can reach whom, in both families, from the objects that decide it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from podwire.insight.reach.address_sets import AddressSets
from podwire.insight.reach.matrix import Matrix
from podwire.insight.reach.mesh_ends import MeshEnds
from podwire.insight.reach.mesh_sets import Closed, Scene, closed
from podwire.insight.reach.pod_classes import Classes, PodGroup, classes, reading
from podwire.insight.reach.profiles import Judged
from podwire.insight.reach.rule_sets import AnyRule, Axis, RuleSets, all_blocks, axis
from podwire.policy.intervals import Interval
from podwire.policy.model import IPNetwork, Policy
from podwire.policy.tiers import ClusterPolicy


class Question(msgspec.Struct, frozen=True):
    """What the answer depends on.

    Attributes:
        groups: all pods, in the order of their numbers.
        namespaces: the labels of namespaces.
        policies: all policies.
        families: which families of addresses there are, 4 and 6.
        ranges: those of pods' addresses: of pods that have none yet, and what is not outside.
        tiers: ClusterNetworkPolicies in the order in which they decide, with addresses in place of nodes and names.
        mesh: what policies of the mesh distinguish; None where there are none.

    """

    groups: Sequence[PodGroup]
    namespaces: Mapping[str, Mapping[str, str]]
    policies: Sequence[Policy]
    families: tuple[int, ...] = (4,)
    ranges: tuple[IPNetwork, ...] = ()
    tiers: Sequence[ClusterPolicy] = ()
    mesh: MeshEnds | None = None

    @property
    def rules(self) -> tuple[AnyRule, ...]:
        """The rules of all policies."""
        own: tuple[AnyRule, ...] = tuple(rule for policy in self.policies for rule in policy.all_rules)
        return own + tuple(rule for policy in self.tiers for rule in policy.all_rules)


class Family(msgspec.Struct, frozen=True):
    """The answer for one family of addresses.

    Attributes:
        outside: the parts of the addresses outside that policies distinguish; their bits follow those of classes.
        possible: what is allowed if pods without an address are in the blocks in which they may be, and if what
            policies of the mesh leave open is so.
        depends_on_mesh: whether these leave something open.

    """

    axis: Axis
    outside: tuple[tuple[Interval, ...], ...]
    matrix: Matrix
    possible: Matrix | None = None
    depends_on_mesh: bool = False


class Reachability(msgspec.Struct, frozen=True):
    """The answer: classes of pods, and by family who reaches whom."""

    question: Question
    classes: Classes
    rule_sets: RuleSets
    families: Mapping[int, Family]


def reachability(question: Question) -> Reachability:
    """Return the answer."""
    mesh = question.mesh
    blocks = AddressSets((*all_blocks(question.rules), *(mesh.blocks() if mesh is not None else ())))
    ranges = {f: [one for one in question.ranges if one.version == f] for f in question.families}
    found = classes(question.groups, reading(question.policies, question.tiers), blocks, ranges)
    more = mesh.ports() if mesh is not None else ()
    rule_sets = RuleSets(found.found, question.namespaces, question.rules, blocks, more)
    families = {one: _family(one, question, found, rule_sets, blocks) for one in question.families}
    return Reachability(question, found, rule_sets, families)


def _family(family: int, question: Question, found: Classes, rule_sets: RuleSets, blocks: AddressSets) -> Family:
    outside = list(blocks.parts(family, question.ranges))
    found_axis = axis(family, found.found, blocks, [mask for mask, _ in outside])
    judged = Judged(question.policies, question.tiers)
    parts = tuple(intervals for _, intervals in outside)
    ranges = [one for one in question.ranges if one.version == family]
    shut = Closed()
    if question.mesh is not None:
        shut = closed(question.mesh, Scene(family, question.groups, found, blocks, parts, ranges), rule_sets.ports)
    certain = Matrix(rule_sets, found_axis, found.found, judged, shut=shut.perhaps)
    possible = None
    if any(found_axis.undecided) or shut.surely != shut.perhaps:
        possible = Matrix(rule_sets, found_axis, found.found, judged, undecided=True, shut=shut.surely)
    return Family(found_axis, parts, certain, possible, shut.surely != shut.perhaps)
