"""What each AuthorizationPolicy that may concern a pod means for a connection or request. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.insight.mesh_policies.ends import Mesh
from podwire.insight.mesh_policies.report import MeshPolicyLine, MeshWord
from podwire.mesh.authorization.decision import rule_matches
from podwire.mesh.authorization.model import EVERYWHERE, Action, Connection, Policy, Request, Rule
from podwire.mesh.authorization.pattern import Mode
from podwire.mesh.authorization.selection import selects
from podwire.mesh.model.workload import Workload

_WORDS = {
    Action.ALLOW: (MeshWord.ADMITS, MeshWord.DOES_NOT_ADMIT),
    Action.DENY: (MeshWord.DENIES, MeshWord.NOT_APPLICABLE),
}


def policy_lines(
    server: Workload, connections: tuple[Connection, ...], reads: bool, request: Request | None, mesh: Mesh
) -> tuple[MeshPolicyLine, ...]:
    """Return the words of all policies of the pod's namespace and of podwire-system.

    `reads`: whether requests are read on the port; `request`: one that is given.
    """
    found = []
    for one in mesh.authorization.policies:
        if one.key.namespace not in (server.namespace, EVERYWHERE):
            continue
        name = f"AuthorizationPolicy {one.key}"
        if not selects(one.key, one.selector, server):
            place = mesh.place("AuthorizationPolicy", one.key, ("spec", "selector"))
            found.append(MeshPolicyLine(name, place, MeshWord.NOT_APPLICABLE, "its selector does not select the pod"))
        else:
            found.append(_line(name, one, _matches(one, connections, reads, request), mesh))
    return tuple(found)


def _line(name: str, one: Policy, matched: list[bool | None], mesh: Mesh) -> MeshPolicyLine:
    place = mesh.place("AuthorizationPolicy", one.key, ())
    if one.action is Action.AUDIT:
        return MeshPolicyLine(name, place, MeshWord.NOT_APPLICABLE, "AUDIT decides nothing")
    yes, no = _WORDS[one.action]
    for desired, word, text in (
        (True, yes, "matches"),
        (None, MeshWord.UNDECIDABLE, "matches some requests or clients"),
    ):
        if desired in matched:
            number = matched.index(desired)
            path = ("spec", "rules", number) if one.rules else ()
            return MeshPolicyLine(name, mesh.place("AuthorizationPolicy", one.key, path), word, f"rule {number} {text}")
    return MeshPolicyLine(name, place, no, "no rule matches" if one.rules else "it has no rules")


def _matches(
    policy: Policy, connections: tuple[Connection, ...], reads: bool, request: Request | None
) -> list[bool | None]:
    """Return for each rule whether it matches; None where that depends on what is not known."""
    found: list[bool | None] = []
    for rule in policy.rules:
        results = {one for each in connections for one in _results(policy.action, rule, each, reads, request)}
        found.append(results.pop() if len(results) == 1 else None)
    return found


def _results(action: Action, rule: Rule, one: Connection, reads: bool, request: Request | None) -> Iterator[bool]:
    modes: Iterable[Mode] = (Mode.CERTAIN,) if action is Action.ALLOW else (Mode.POSSIBLE,)
    if reads and request is None:
        modes = (Mode.CERTAIN, Mode.POSSIBLE)
    yield from (rule_matches(rule, one, request, mode) for mode in modes)
