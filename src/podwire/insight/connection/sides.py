"""What each policy means for one end of a connection, rule by rule. Pure; the parts of rules are the model's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.connection import misses
from podwire.insight.connection.points import Point
from podwire.insight.connection.report import Miss, PolicyLine, RuleLine, SideLine, Word
from podwire.insight.mesh_policies.ends import Mesh
from podwire.insight.snapshot.snapshot import Snapshot, field
from podwire.kube.meta import NamespacedName
from podwire.kube.networking import NetworkPolicy
from podwire.mesh.authorization.model import Request
from podwire.policy.model import Block, Direction, Pods, Policy, PortName, Ports, Rule, peer_of, policy, valid
from podwire.policy.view import View

_WORDS = {True: Word.ADMITS, False: Word.DOES_NOT_ADMIT, None: Word.UNDECIDABLE}
PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


class Way(msgspec.Struct, frozen=True):
    """A connection between two ends. `service_port` is that of the Service it goes through.

    `is_forwarded`: it is the rest of one of a pod to the port of another node: egress is judged before that.
    """

    source: Point
    destination: Point
    protocol: str
    port: int
    service_port: int | None = None
    is_forwarded: bool = False

    def end(self, direction: Direction) -> tuple[Point, Point]:
        """Return the end that policies of the direction select, and the other one."""
        if direction is Direction.EGRESS:
            return self.source, self.destination
        return self.destination, self.source


class Context(msgspec.Struct, frozen=True):
    """The objects, and what policies see of them; `request`: what is sent, where that is known."""

    snapshot: Snapshot
    view: View
    written: Mapping[NamespacedName, NetworkPolicy]
    mesh: Mesh
    request: Request | None = None


def side(way: Way, direction: Direction, context: Context) -> SideLine:
    """Return the words of all policies of the end's namespace, and what follows."""
    subject, _ = way.end(direction)
    if subject.identity is None:
        text = f"{subject.name} is no pod"
        return SideLine(direction.value, subject.name, Verdict.ALLOWED, text)
    namespace = subject.identity.namespace
    found = [one for key, one in sorted(context.written.items()) if key.namespace == namespace]
    lines = tuple(_line(one, way, direction, context) for one in found)
    verdict = verdict_of(lines)
    return SideLine(direction.value, subject.name, verdict, _text(lines, verdict), lines)


def verdict_of(lines: tuple[PolicyLine, ...]) -> Verdict:
    """Return what the words of policies mean together: one that admits is enough, and without any all is allowed."""
    words = {one.word for one in lines} - {Word.NOT_APPLICABLE}
    if not words or Word.ADMITS in words:
        return Verdict.ALLOWED
    return Verdict.UNDECIDABLE if Word.UNDECIDABLE in words else Verdict.NOT_ALLOWED


def _text(lines: tuple[PolicyLine, ...], verdict: Verdict) -> str:
    applying = sum(one.word is not Word.NOT_APPLICABLE for one in lines)
    if not applying:
        return "no policy applies"
    if verdict is Verdict.ALLOWED:
        return f"admitted by {', '.join(one.policy for one in lines if one.word is Word.ADMITS)}"
    shown = f"{applying} polic{'y applies' if applying == 1 else 'ies apply'}"
    return f"{shown}, none admits it" if verdict is Verdict.NOT_ALLOWED else f"{shown}, none certainly admits it"


def _line(written: NetworkPolicy, way: Way, direction: Direction, context: Context) -> PolicyLine:
    subject, _ = way.end(direction)
    found = policy(written)
    assert subject.identity is not None, "only pods are selected"
    name = str(found.key)

    def place(*path: str | int) -> str:
        return context.snapshot.place("NetworkPolicy", found.key, *path)

    if not found.selects(subject.identity):
        labels = dict(subject.identity.labels)
        text = f"podSelector {misses.label_miss(found.selector, labels, subject.name)}"
        return PolicyLine(name, place("spec", "podSelector"), Word.NOT_APPLICABLE, text)
    rules = found.rules(direction)
    if rules is None:
        text = f"it selects {subject.name}, and its policyTypes are {', '.join(_types(found))} only"
        return PolicyLine(name, place("spec", "policyTypes"), Word.NOT_APPLICABLE, text)
    lines = tuple(_rule(found, written, index, rule, way, direction, context) for index, rule in enumerate(rules))
    words = {one.word for one in lines}
    word = next((one for one in (Word.ADMITS, Word.UNDECIDABLE) if one in words), Word.DOES_NOT_ADMIT)
    return PolicyLine(name, place(), word, "" if lines else _without_rules(written, direction), lines)


def _without_rules(written: NetworkPolicy, direction: Direction) -> str:
    if not valid(written.spec.pod_selector):
        return "its podSelector is not valid: it isolates the whole namespace and admits nothing"
    return f"it has no {direction.value} rule"


def _types(found: Policy) -> Iterator[str]:
    if found.ingress is not None:
        yield "Ingress"
    if found.egress is not None:
        yield "Egress"


def _rule(
    found: Policy, written: NetworkPolicy, index: int, rule: Rule, way: Way, direction: Direction, context: Context
) -> RuleLine:
    fits = has_peer(rule, found.key.namespace, way.end(direction)[1], context.view)
    has_port = _has_port(rule, way)
    word = _WORDS[fits] if has_port else Word.DOES_NOT_ADMIT
    place = context.snapshot.place("NetworkPolicy", found.key, "spec", direction.value, index)
    missed = () if word is Word.ADMITS else tuple(_misses(found, written, index, rule, way, direction, context))
    return RuleLine(index, place, word, missed)


def has_peer(rule: Rule, home: str, other: Point, view: View) -> bool | None:
    """Whether the rule means the other end; None where that depends on an address that is not known."""
    if rule.peers is None:
        return True
    found = {_is_peer(one, home, other, view) for one in rule.peers}
    return True if True in found else None if None in found else False


def _is_peer(peer: Pods | Block, home: str, other: Point, view: View) -> bool | None:
    if isinstance(peer, Block):
        return other.held_by(peer)
    return other.identity is not None and view.matches(peer, home, other.identity)


def _has_port(rule: Rule, way: Way) -> bool:
    return rule.ports is None or any(is_port(one, way) for one in rule.ports)


def is_port(port: Ports | PortName, way: Way) -> bool:
    """Whether one entry of a rule's ports means the port; a name is looked up at the pod that receives."""
    if port.protocol != way.protocol:
        return False
    if isinstance(port, PortName):
        receiver = way.destination.identity
        return receiver is not None and way.port in port.numbers(receiver)
    return port.first <= way.port <= port.last


def _misses(
    found: Policy, written: NetworkPolicy, index: int, rule: Rule, way: Way, direction: Direction, context: Context
) -> Iterator[Miss]:
    path = ("spec", direction.value, index)

    def miss(text: str, *more: str | int) -> Miss:
        whole = (*path, *more)
        return Miss(field(whole), context.snapshot.place("NetworkPolicy", found.key, *whole), text)

    home, other = found.key.namespace, way.end(direction)[1]
    if has_peer(rule, home, other, context.view) is not True:
        for number, peer in enumerate(_peers(written, index, direction)):
            if peer is None:
                yield miss("it is not valid, so it means nobody", PEERS[direction], number)
                continue
            for name, text in misses.peer_misses(peer, home, other, context.snapshot.namespaces.get):
                yield miss(text, PEERS[direction], number, name)
    if not _has_port(rule, way):
        text = misses.port_miss(rule.ports or (), way.protocol, way.port, way.destination, way.service_port)
        yield miss(text, "ports")


def _peers(written: NetworkPolicy, index: int, direction: Direction) -> tuple[Pods | Block | None, ...]:
    """Return the peers of a rule as they are written; None for one that is not valid."""
    if direction is Direction.INGRESS:
        return tuple(map(peer_of, written.spec.ingress[index].from_))
    return tuple(map(peer_of, (written.spec.egress or ())[index].to))
