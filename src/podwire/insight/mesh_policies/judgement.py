"""Whether the mesh lets a connection or request to an enrolled pod pass, and by which policies. Pure.

The decisions are those of `podwire.mesh.authorization`. Where an end is not known exactly, each possibility is decided.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.mesh_policies import ends
from podwire.insight.mesh_policies.ends import Client, Mesh
from podwire.insight.mesh_policies.policy_lines import policy_lines
from podwire.insight.mesh_policies.report import MeshLine, MeshPolicyLine, MeshWord
from podwire.mesh.authorization.decision import Outcome, connection_decision, needs_requests, request_decision
from podwire.mesh.authorization.model import Connection, Policy, Request
from podwire.mesh.authorization.tokens import TokenPolicy
from podwire.mesh.kinds.transport_policy import TransportPolicy
from podwire.mesh.model.workload import Workload

REFUSED = 403
_NO_TLS = "no TLS: the connection does not leave the node's Envoy"


class _Case(msgspec.Struct, frozen=True):
    """What is decided: connections that it may be, and the request, where requests are read and one is given."""

    policies: tuple[Policy, ...]
    connections: tuple[Connection, ...]
    reads: bool
    request: Request | None
    has_token: bool = False


def judge(client: Client, server: Workload, port: int, mesh: Mesh, request: Request | None = None) -> MeshLine:
    """Return what becomes of a TCP connection to an enrolled pod, and of the request, where one is given."""
    case = _case(client, server, port, mesh, request)
    lines = policy_lines(server, case.connections, case.reads, None if case.has_token else case.request, mesh)
    refusing = _refusing(client, server, port, mesh)
    if refusing is not None:
        strict = _strict_line(refusing, port, mesh)
        lines = (strict, *lines)
        verdict, text = Verdict.NOT_ALLOWED, f"{strict.policy} {strict.text}"
    else:
        verdict, text = _authorized(case, lines)
    verdict, text = _uncertain(verdict, text, client, server, mesh)
    names = {one.identity for one in case.connections}
    known = names.pop() if len(names) == 1 else ""
    status = REFUSED if refusing is None and verdict is Verdict.NOT_ALLOWED and _accepts(case) else 0
    return MeshLine(verdict, text, _transport(client, server, mesh), known, mesh.identity(server), lines, status)


def verdict_of(client: Client, server: Workload, port: int, mesh: Mesh) -> Verdict:
    """Return the verdict of `judge` on a connection whose requests are not known, without its reasons."""
    case = _case(client, server, port, mesh, None)
    if _refusing(client, server, port, mesh) is not None:
        found = {Verdict.NOT_ALLOWED}
    else:
        found = {_decided(case, one) for one in case.connections}
    verdict = found.pop() if len(found) == 1 else Verdict.UNDECIDABLE
    return _uncertain(verdict, "", client, server, mesh)[0]


def _case(client: Client, server: Workload, port: int, mesh: Mesh, request: Request | None) -> _Case:
    policies = mesh.authorization.policies_of(server)
    names = ends.identities(client, server, mesh)
    connections = tuple(Connection(address, port, name) for address in client.addresses for name in names)
    reads = port in mesh.authorization.http_ports(server) and needs_requests(policies, port)
    has_token = request is not None and _may_have_token(request, mesh.authorization.tokens_of(server))
    return _Case(policies, connections, reads, request if reads else None, has_token)


def _accepts(case: _Case) -> bool:
    """Whether the connection is accepted, as one of its requests could be allowed."""
    return case.reads and all(
        connection_decision(case.policies, one, reads_requests=True).allowed for one in case.connections
    )


def _authorized(case: _Case, lines: Iterable[MeshPolicyLine]) -> tuple[Verdict, str]:
    found = {_decided(case, one) for one in case.connections}
    words = {word: [one.policy for one in lines if one.word is word] for word in MeshWord}
    if found == {Verdict.ALLOWED}:
        return Verdict.ALLOWED, _admission(words[MeshWord.ADMITS], case.policies)
    if found == {Verdict.NOT_ALLOWED}:
        return Verdict.NOT_ALLOWED, _refusal(words, case)
    undecided = words[MeshWord.UNDECIDABLE] or [f"AuthorizationPolicy {one.key}" for one in case.policies]
    cause = "the request" if case.reads else "the address or node of the client"
    if case.has_token:
        cause = "the token of the request, which is not verified here"
    return Verdict.UNDECIDABLE, f"depends on {cause}: {', '.join(undecided)}"


def _decided(case: _Case, one: Connection) -> Verdict:
    policies, request = case.policies, case.request
    if not connection_decision(policies, one, reads_requests=case.reads).allowed:
        return Verdict.NOT_ALLOWED
    if request is not None and not case.has_token:
        return Verdict.ALLOWED if request_decision(policies, one, request).allowed else Verdict.NOT_ALLOWED
    if case.has_token or not connection_decision(policies, one, reads_requests=False).allowed:
        return Verdict.UNDECIDABLE  # a token that is wrong is refused whatever policies allow
    return Verdict.ALLOWED


def _admission(admitting: list[str], policies: tuple[Policy, ...]) -> str:
    if admitting:
        return f"{', '.join(admitting)} admits it"
    return "no AuthorizationPolicy denies it" if policies else "no AuthorizationPolicy selects the pod"


def _refusal(words: dict[MeshWord, list[str]], case: _Case) -> str:
    if words[MeshWord.DENIES]:
        return f"{', '.join(words[MeshWord.DENIES])} denies it"
    if case.request is not None and _is_ambiguous(case):
        return "the path is escaped twice, and a rule compares paths"
    return f"{', '.join(words[MeshWord.DOES_NOT_ADMIT])}: no rule admits it"


def _is_ambiguous(case: _Case) -> bool:
    request = case.request
    return request is not None and any(
        request_decision(case.policies, one, request).outcome is Outcome.AMBIGUOUS for one in case.connections
    )


def _refusing(client: Client, server: Workload, port: int, mesh: Mesh) -> TransportPolicy | None:
    """Return the policy that refuses plain text, where the client sends it."""
    policy = mesh.transport.policy_of(server)
    one = client.workload
    is_near = one is not None and one.enrolled and bool(ends.is_same_node(one, server))
    if policy is None or mesh.carries(one) or is_near:
        return None
    whole, ports = mesh.transport.modes(server)
    return policy if ports.get(port, whole) else None


def _strict_line(policy: TransportPolicy, port: int, mesh: Mesh) -> MeshPolicyLine:
    text = "is STRICT: connections in plain text are reset"
    place = mesh.place("TransportPolicy", policy.key, _mode_path(policy, port))
    return MeshPolicyLine(f"TransportPolicy {policy.key}", place, MeshWord.DENIES, text)


def _mode_path(policy: TransportPolicy, port: int) -> tuple[str | int, ...]:
    found = (number for number, one in enumerate(policy.spec.ports) if one.port == port)
    number = next(found, None)
    return ("spec", "mode") if number is None else ("spec", "ports", number, "mode")


def _uncertain(verdict: Verdict, text: str, client: Client, server: Workload, mesh: Mesh) -> tuple[Verdict, str]:
    """Return the verdict; undecidable where policies are not known, or may not be in force."""
    if verdict is Verdict.ALLOWED:
        if mesh.unreadable:
            return Verdict.UNDECIDABLE, f"this account may not list {', '.join(mesh.unreadable)}"
        return verdict, text
    if not mesh.carries(server):
        return Verdict.UNDECIDABLE, f"{text}; but the pod's node does not redirect its connections yet"
    if client.may_be_own and verdict is Verdict.NOT_ALLOWED:
        return Verdict.UNDECIDABLE, f"{text}; but a node's probes of its own pods pass"
    return verdict, text


def _transport(client: Client, server: Workload, mesh: Mesh) -> str:
    one = client.workload
    if one is not None and ends.is_same_node(one, server):
        return _NO_TLS
    if mesh.carries(one) and mesh.carries(server):
        return "mutual TLS"
    return f"plain text: {'the server' if mesh.carries(one) else 'the client'} is not redirected by the mesh"


def _may_have_token(request: Request, tokens: tuple[TokenPolicy, ...]) -> bool:
    """Whether a token may be in the request: one in a parameter of its query is not seen here."""
    issuers = [one for policy in tokens for one in policy.issuers]
    if not issuers:
        return False
    names = {"authorization", "cookie"} | {header.name.lower() for one in issuers for header in one.headers}
    return any(name in names for name, _ in request.headers)
