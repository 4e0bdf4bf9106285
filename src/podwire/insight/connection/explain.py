"""The explanation of a connection. Pure. The answer is that of the policy model; words and misses are its reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.changes import Blocked, changes
from podwire.insight.connection.egress_way import egress_ways
from podwire.insight.connection.external_name import followed
from podwire.insight.connection.mesh_routes import mesh_routes
from podwire.insight.connection.mesh_way import mesh_line
from podwire.insight.connection.placements import joined, placements
from podwire.insight.connection.points import Kind, dns_point
from podwire.insight.connection.question import Question
from podwire.insight.connection.report import Change, ConnectionLine, Report, SideLine, TierLine, Word
from podwire.insight.connection.service_changes import service_changes
from podwire.insight.connection.sides import Context, Way, side
from podwire.insight.connection.tier_changes import tier_changes
from podwire.insight.connection.tier_lines import decided, deciding, reached, steps, tier_lines
from podwire.insight.connection.ways import Ways, requested_ports, ways
from podwire.insight.mesh_policies.reading import mesh_of
from podwire.insight.mesh_policies.report import MeshLine
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.ends import End, EndKind
from podwire.insight.snapshot.policy_view import policy_view
from podwire.insight.snapshot.snapshot import WARNED, Snapshot
from podwire.mesh.authorization.model import Request
from podwire.policy.model import Direction
from podwire.policy.verdict import Judgement, verdict

DNS_PORT = 53
_BOTH = (Direction.EGRESS, Direction.INGRESS)


def explain(question: Question, snapshot: Snapshot, request: Request | None = None) -> Report:
    """Return whether the connection is allowed, and why. Raises EndError where a port must be written."""
    placed = placements(question, snapshot)
    if placed is None:
        return _explained(question, snapshot, request)
    here, elsewhere = (_explained(one, snapshot, request) for one in (placed.here, placed.elsewhere))
    return joined(here, elsewhere, placed)


def _explained(question: Question, snapshot: Snapshot, request: Request | None) -> Report:
    context = context_of(snapshot, request)
    target = followed(question, snapshot)
    resolved = target.question
    found = ways(resolved, snapshot) if resolved is not None else Ways()
    found = msgspec.structs.replace(found, findings=(*target.findings, *found.findings))
    lines = tuple(line(one, context) for one in found.ways)
    looked_up = _lookup(question, found, context)
    return Report(
        question.source.text,
        shown_destination(question),
        *_whole(lines, found),
        found.services,
        lines,
        _sorted(
            (
                *found.findings,
                *looked_up.findings,
                *egress_ways(found.ways, snapshot),
                *mesh_routes(resolved or question, found.ways, snapshot),
                *_notes(resolved or question, snapshot),
            )
        ),
        (*_of_service(resolved or question, snapshot), *_changes(found.ways, lines, looked_up, context)),
        snapshot.is_planned,
    )


def context_of(snapshot: Snapshot, request: Request | None = None) -> Context:
    """Return the objects with what policies see of them."""
    policies = {one.key: one for one in snapshot.policies}
    return Context(snapshot, policy_view(snapshot), policies, mesh_of(snapshot), request)


def shown_destination(question: Question) -> str:
    """Return the server as it was written, with its port."""
    text = question.destination.text
    if question.port is None:
        return text
    return f"[{text}]:{question.port}" if ":" in text else f"{text}:{question.port}"


def line(way: Way, context: Context) -> ConnectionLine:
    """Return one connection, judged at both ends."""
    exempt = exemption(way)
    if exempt:
        return _line(way, Verdict.ALLOWED, (SideLine("", "", Verdict.ALLOWED, exempt),))
    sides = tuple(_side(way, one, context) for one in _BOTH)
    judged = verdict(context.view, way.source.party(1), way.destination.party(2), way.protocol, way.port)
    if not (way.destination.kind is Kind.ADDRESS and not way.destination.addresses):  # the model knows no names
        sides = tuple(_decided(one, found) for one, found in zip(sides, (judged.egress, judged.ingress), strict=True))
    if way.is_forwarded:
        text = "judged on its own node, as a connection to the other node"
        sides = (SideLine(Direction.EGRESS.value, way.source.name, Verdict.ALLOWED, text), sides[1])
    worst = _worst({one.verdict for one in sides})
    if worst is Verdict.NOT_ALLOWED and _may_be_own(way) and sides[0].verdict is Verdict.ALLOWED:
        text = "admitted only on the node's own pods: a node always reaches them"
        sides = (sides[0], msgspec.structs.replace(sides[1], verdict=Verdict.UNDECIDABLE, text=text))
        worst = Verdict.UNDECIDABLE
    mesh = mesh_line(way, context)
    return _line(way, worst if mesh is None else _worst({worst, mesh.verdict}), sides, mesh)


def _worst(found: Collection[Verdict]) -> Verdict:
    return next((one for one in (Verdict.NOT_ALLOWED, Verdict.UNDECIDABLE) if one in found), Verdict.ALLOWED)


def _side(way: Way, direction: Direction, context: Context) -> SideLine:
    """Return one end with what NetworkPolicies and the tiers around them mean."""
    own = side(way, direction, context)
    isolated = any(one.word is not Word.NOT_APPLICABLE for one in own.policies)
    tiers = reached(tier_lines(way, direction, context), is_isolated=isolated)
    if not tiers:
        return own
    found = decided(steps(way, direction, context), own.verdict, is_isolated=isolated)
    first = deciding(tiers)
    text = own.text if first is None else f"{first.policy} of tier {first.tier} {first.word}: {first.text}"
    return msgspec.structs.replace(own, tiers=tiers, verdict=found, text=text)


def exemption(way: Way) -> str:
    """Return why no policy applies; empty where they do."""
    source, destination = way.source, way.destination
    if (
        source.identity
        and source.addresses
        and len(source.addresses) == 1
        and source.addresses == destination.addresses
    ):
        return "a pod always reaches itself"
    if source.kind is Kind.NODE and source.node and source.node == destination.node:
        return "a node always reaches its own pods"
    return ""


def _may_be_own(way: Way) -> bool:
    """Whether the client may be the node of the pods: it is not known where one of them is."""
    return (
        way.source.kind is Kind.NODE
        and not way.source.is_passage
        and way.destination.kind is Kind.POD
        and not (way.source.node and way.destination.node)
    )


def _decided(line: SideLine, found: Judgement) -> SideLine:
    """Return the side as the model decides it; where an address is not known nothing is decided."""
    is_allowed = line.verdict is Verdict.ALLOWED
    if line.verdict is Verdict.UNDECIDABLE or is_allowed == found.allowed:
        return line
    changed = Verdict.ALLOWED if found.allowed else Verdict.NOT_ALLOWED
    return msgspec.structs.replace(line, verdict=changed)


def _line(way: Way, verdict_: Verdict, sides: tuple[SideLine, ...], mesh: MeshLine | None = None) -> ConnectionLine:
    return ConnectionLine(way.source.name, way.destination.name, way.protocol, way.port, verdict_, sides, mesh)


def _whole(lines: tuple[ConnectionLine, ...], found: Ways) -> tuple[Verdict, str]:
    """Return the answer for all connections together, and its reason in words."""
    error = next((one for one in found.findings if one.severity is Severity.ERROR), None)
    if error is not None:
        return Verdict.NOT_ALLOWED, error.text.rstrip(".")
    words = [one.verdict for one in lines]
    if len(set(words)) > 1:
        counted = sum(one is Verdict.ALLOWED for one in words)
        return Verdict.NOT_ALLOWED if Verdict.NOT_ALLOWED in words else Verdict.UNDECIDABLE, (
            f"{counted} of {len(words)} connections are certainly allowed"
        )
    return (words[0] if words else Verdict.NOT_ALLOWED), _reason(lines)


def _reason(lines: tuple[ConnectionLine, ...]) -> str:
    if not lines:
        return "there is nothing to connect to"
    sides = [one for line in lines for one in line.sides if one.verdict is not Verdict.ALLOWED]
    meshes = [one.mesh for one in lines if one.mesh is not None and one.mesh.verdict is not Verdict.ALLOWED]
    found = dict.fromkeys(f"{one.direction} of {one.subject}: {one.text}" for one in sides)
    found.update(dict.fromkeys(f"mesh: {one.text}" for one in meshes))
    return "; ".join(found) or _admission(lines)


def _admission(lines: tuple[ConnectionLine, ...]) -> str:
    """Return which policies admit connections that are all allowed."""
    policed = [one for line in lines for one in line.sides if one.policies or not one.direction]
    found = dict.fromkeys(f"{one.direction} {one.text}".strip() for one in policed)
    found.update(dict.fromkeys(f"mesh: {one.mesh.text}" for one in lines if one.mesh is not None and one.mesh.policies))
    return "; ".join(found) or "no policy applies"


def _sorted(found: tuple[Finding, ...]) -> tuple[Finding, ...]:
    order = tuple(Severity)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: order.index(one.severity)))


def _blocked(found: tuple[Way, ...], lines: tuple[ConnectionLine, ...]) -> Iterator[tuple[Blocked, TierLine | None]]:
    """Yield each end that is not allowed, with the ClusterNetworkPolicy that denies it, if one does."""
    for way, one in zip(found, lines, strict=True):
        for each in one.sides:
            if each.verdict is not Verdict.ALLOWED:
                isolated = any(policy.word is not Word.NOT_APPLICABLE for policy in each.policies)
                denial = deciding(each.tiers)
                if denial is not None or isolated:  # a policy for pods that none isolates would close all else
                    yield Blocked(way, Direction(each.direction)), denial


def changes_of(found: tuple[Way, ...], context: Context) -> Iterator[Change]:
    """Yield the changes that would allow connections."""
    yield from _changes(found, tuple(line(one, context) for one in found), _Lookup(), context)


def _changes(
    found: tuple[Way, ...], lines: tuple[ConnectionLine, ...], looked_up: _Lookup, context: Context
) -> Iterator[Change]:
    """Yield changes of NetworkPolicies, and of ClusterNetworkPolicies where one of these denies."""
    blocked = list(_blocked(found, lines))
    yield from changes((*(one for one, denial in blocked if denial is None), *looked_up.blocked), context)
    yield from tier_changes([(one, denial) for one, denial in blocked if denial is not None], context)


def _of_service(question: Question, snapshot: Snapshot) -> Iterator[Change]:
    service = question.destination.service
    if service is not None:
        yield from service_changes(service, requested_ports(service, question.port), snapshot)


class _Lookup(msgspec.Struct, frozen=True):
    """What is wrong with the connections of the clients to the cluster's DNS."""

    findings: tuple[Finding, ...] = ()
    blocked: tuple[Blocked, ...] = ()


def _lookup(question: Question, found: Ways, context: Context) -> _Lookup:
    """Judge the look-up of the server's name, where one is looked up."""
    if question.destination.kind not in (EndKind.SERVICE, EndKind.HOST) or question.destination.address is not None:
        return _Lookup()
    findings: list[Finding] = []
    blocked: list[Blocked] = []
    for client in {one.source.name: one.source for one in found.ways}.values():
        way = Way(client, dns_point(client.family, context.snapshot), "UDP", DNS_PORT)
        judged = line(way, context)
        if client.identity is None or judged.verdict is not Verdict.NOT_ALLOWED:
            continue
        text = f"{client.name} cannot look up names: its connections to the cluster's DNS are not admitted"
        remedy = "Admit them, or connect to an address."
        findings.append(Finding(Severity.WARNING, "NoNameLookup", f"{text} ({DNS_PORT}/UDP).", remedy))
        blocked += [one for one, denial in _blocked((way,), (judged,)) if denial is None]
    return _Lookup(tuple(findings), tuple(blocked))


def _notes(question: Question, snapshot: Snapshot) -> Iterator[Finding]:
    for note in snapshot.notes:
        severity = Severity.WARNING if note.topic in WARNED else Severity.NOTE
        yield Finding(severity, note.topic, f"{note.text}.")
    for name in snapshot.unreadable:
        yield Finding(Severity.WARNING, "Unreadable", f"This account may not list {name}: the answer is without them.")
    if any(assumed_dns.is_assumed(one.service, one.workloads) for one in (question.source, question.destination)):
        yield Finding(Severity.NOTE, "Assumed", assumed_dns.NOTE, assumed_dns.REMEDY)
    for one in (question.source, question.destination):
        yield from _address_without_pod(one, snapshot)
    if question.destination.kind is EndKind.HOST:
        text = f"The addresses of {question.destination.host} are not known here."
        yield Finding(
            Severity.NOTE, "AddressNotKnown", text, "Write an address, or a URL to go through DNS and Gateways."
        )


def _address_without_pod(end: End, snapshot: Snapshot) -> Iterator[Finding]:
    """Yield that an address is in the range of pods, and no pod has it."""
    if end.kind is not EndKind.ADDRESS or end.address is None:
        return
    range_ = snapshot.pod_ranges.of_address(end.address)
    if range_ is not None:
        severity = Severity.NOTE if snapshot.is_planned else Severity.WARNING
        text = f"No pod has {end.address}, which is in their range {range_}: it is judged as an address outside."
        yield Finding(severity, "NoPodHasAddress", text, "Write the pod, or its workload, by name.")
