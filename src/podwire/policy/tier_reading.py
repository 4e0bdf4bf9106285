"""Read a ClusterNetworkPolicy, fail closed. Pure.

A field that is not known may restrict a rule in a way that is not known: of an Accept rule it makes a peer or the rule
match nothing, of a Deny or Pass rule it makes a rule that denies all. Source: network-policy-api v0.2.0, comments of
ClusterNetworkPolicyIngressPeer and -EgressPeer; CRD validation is repeated here, as other servers may lack it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import msgspec

from podwire.kube.meta import LabelSelector
from podwire.policy.model import EVERYTHING, LAST_PORT, PROTOCOLS, Block, Pods, PortName, Ports, network, valid
from podwire.policy.tiers import Action, ClusterPolicy, NamePeers, NodePeers, Tier, TierPeer, TierRule

if TYPE_CHECKING:
    from podwire.kube.network_policy_api import ClusterNetworkPolicy

Document = Mapping[str, Any]
ReadT = TypeVar("ReadT")

ALL_PODS = Pods(EVERYTHING, EVERYTHING)
TIERS = {"Admin": Tier.ADMIN, "Baseline": Tier.BASELINE}
ACTIONS = {action.value: action for action in Action}
LAST_PRIORITY = 1000
_DOMAIN = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9_]*[a-z0-9])?\.)*[a-z0-9]([-a-z0-9_]*[a-z0-9])?")


class _UnknownError(Exception):
    """A part that cannot be read; the text is which, and why."""


def cluster_policy(source: ClusterNetworkPolicy) -> ClusterPolicy:
    """Return the meaning of the object."""
    spec = source.spec
    problems = _Problems()
    unknown = sorted(spec.keys() - {"tier", "priority", "subject", "ingress", "egress"})
    problems.found += [f"spec.{name} is not known: all rules fail closed" for name in unknown]
    tier = _named(TIERS, spec.get("tier"))
    if tier is None:
        problems.found.append(f"spec.tier {spec.get('tier')!r} is not known: it is taken for Admin")
    priority = spec.get("priority")
    if not _is_number(priority, 0, LAST_PRIORITY):
        problems.found.append("spec.priority is no number from 0 to 1000: it is taken for 0")
        priority = 0
    subject = problems.read("spec.subject", "it is taken for all pods", lambda: _pods(spec.get("subject")))
    closed = bool(unknown) or subject is None
    return ClusterPolicy(
        source.metadata.name,
        Tier.ADMIN if tier is None else tier,
        priority,
        subject or ALL_PODS,
        tuple(_rules(spec, "ingress", "from", problems, closed)),
        tuple(_rules(spec, "egress", "to", problems, closed)),
        tuple(problems.found),
    )


@dataclass(slots=True)
class _Problems:
    found: list[str] = field(default_factory=list)

    def read(self, path: str, effect: str, reading: Callable[[], ReadT]) -> ReadT | None:
        """Return what is read, or None with the problem noted."""
        try:
            return reading()
        except _UnknownError as error:
            self.found.append(f"{path}{error}: {effect}")
            return None


def _rules(spec: Document, section: str, peers: str, problems: _Problems, closed: bool) -> Iterator[TierRule]:
    entries = spec.get(section, [])
    if not isinstance(entries, list):
        problems.found.append(f"spec.{section} is no list: all connections are denied")
        yield TierRule(Action.DENY, None, None)
        return
    for index, entry in enumerate(entries):
        yield _rule(entry, f"spec.{section}[{index}]", peers, problems, closed)


def _rule(entry: Any, path: str, peers: str, problems: _Problems, closed: bool) -> TierRule:
    """Return a rule; where some part of it is not known, one that accepts nothing or denies all."""
    action = _named(ACTIONS, entry.get("action")) if isinstance(entry, Mapping) else None
    if action is None:
        problems.found.append(f"{path}.action is not known: all connections are denied")
        return TierRule(Action.DENY, None, None)
    name = entry.get("name", "") if isinstance(entry.get("name", ""), str) else ""
    effect = "the rule accepts nothing" if action is Action.ACCEPT else "the rule denies all"
    unknown = sorted(entry.keys() - {"name", "action", "protocols", peers})
    problems.found += [f"{path}.{key} is not known: {effect}" for key in unknown]
    ports = problems.read(path, effect, lambda: _ports(entry))
    named = any(isinstance(port, PortName) for port in ports or ())
    found = problems.read(path, effect, lambda: _peers(entry.get(peers), peers, action, named))
    if closed or unknown or found is None or ports is None:
        return TierRule(action, (), None, name) if action is Action.ACCEPT else TierRule(Action.DENY, None, None, name)
    return TierRule(action, found, ports or None, name)


def _peers(listed: Any, section: str, action: Action, named: bool) -> tuple[TierPeer, ...]:
    if not isinstance(listed, list) or not listed:
        raise _UnknownError(f".{section} names no peer")
    found: list[TierPeer] = []
    for number, document in enumerate(listed):
        path = f".{section}[{number}]"
        try:
            of_peer = _peer(document, section == "to", action)
        except _UnknownError as error:
            raise _UnknownError(f"{path}{error}") from error
        if named and not all(isinstance(one, Pods) for one in of_peer):
            raise _UnknownError(f"{path} has no named ports")
        found += of_peer
    return tuple(found)


def _only(document: Any, known: set[str]) -> tuple[str, Any]:
    """Return the one field that is set."""
    if not isinstance(document, Mapping) or len(document) != 1:
        raise _UnknownError(" must have exactly one field that is known")
    ((key, value),) = document.items()
    if key not in known:
        raise _UnknownError(f".{key} is not known")
    return key, value


def _pods(document: Any) -> Pods:
    key, value = _only(document, {"namespaces", "pods"})
    if key == "namespaces":
        return Pods(_selector(value, ".namespaces"), EVERYTHING)
    if not isinstance(value, Mapping) or "podSelector" not in value:
        raise _UnknownError(".pods has no podSelector")
    if value.keys() - {"namespaceSelector", "podSelector"}:
        raise _UnknownError(".pods has a field that is not known")
    namespaces = _selector(value.get("namespaceSelector", {}), ".pods.namespaceSelector")
    return Pods(namespaces, _selector(value["podSelector"], ".pods.podSelector"))


def _peer(document: Any, outwards: bool, action: Action) -> tuple[TierPeer, ...]:
    if not outwards or not isinstance(document, Mapping) or document.keys() & {"namespaces", "pods"}:
        return (_pods(document),)
    key, value = _only(document, {"networks", "nodes", "domainNames"})
    if key == "nodes":
        return (NodePeers(_selector(value, ".nodes")),)
    if not isinstance(value, list) or not value:
        raise _UnknownError(f".{key} is no list with entries")
    if key == "networks":
        return tuple(_network(each) for each in value)
    if action is not Action.ACCEPT:
        raise _UnknownError(".domainNames is for Accept rules only")
    return tuple(_domain(each) for each in value)


def _network(cidr: Any) -> Block:
    found = network(cidr) if isinstance(cidr, str) else None
    if found is None:
        raise _UnknownError(f".networks has {cidr!r}, which is no CIDR")
    return Block(found)


def _domain(name: Any) -> NamePeers:
    text = name.removesuffix(".").lower() if isinstance(name, str) else ""
    if not _DOMAIN.fullmatch(text):
        raise _UnknownError(f".domainNames has {name!r}, which is no domain name")
    return NamePeers(text)


def _selector(value: Any, path: str) -> LabelSelector:
    if not isinstance(value, Mapping) or value.keys() - {"matchLabels", "matchExpressions"}:
        raise _UnknownError(f"{path} has a field that is not known")
    try:
        found = msgspec.convert(value, LabelSelector)
    except msgspec.ValidationError as error:
        raise _UnknownError(f"{path} is not valid: {error}") from error
    if not valid(found):
        raise _UnknownError(f"{path} has an operator that is not known, or values that do not fit it")
    return found


def _ports(entry: Document) -> tuple[Ports | PortName, ...]:
    """Return the ports, none at all where the rule does not restrict them."""
    if "protocols" not in entry:
        return ()
    listed = entry["protocols"]
    if not isinstance(listed, list) or not listed:
        raise _UnknownError(".protocols is no list with entries")
    found: list[Ports | PortName] = []
    for number, each in enumerate(listed):
        try:
            found += _protocol(each)
        except _UnknownError as error:
            raise _UnknownError(f".protocols[{number}]{error}") from error
    return tuple(found)


def _protocol(document: Any) -> tuple[Ports | PortName, ...]:
    key, value = _only(document, {"tcp", "udp", "sctp", "destinationNamedPort"})
    if key == "destinationNamedPort":
        if not isinstance(value, str) or not value:
            raise _UnknownError(".destinationNamedPort is no name")
        return tuple(PortName(protocol, value) for protocol in PROTOCOLS)
    if not isinstance(value, Mapping) or value.keys() - {"destinationPort"}:
        raise _UnknownError(f".{key} has a field that is not known")
    if "destinationPort" not in value:
        return (Ports(key.upper()),)
    kind, port = _only(value["destinationPort"], {"number", "range"})
    ends = (port, port) if kind == "number" else _ends(port)
    if not all(_is_number(end, 1, LAST_PORT) for end in ends) or (kind == "range" and ends[0] >= ends[1]):
        raise _UnknownError(f".{key}.destinationPort.{kind} is not valid")
    return (Ports(key.upper(), *ends),)


def _ends(document: Any) -> tuple[Any, Any]:
    if not isinstance(document, Mapping) or document.keys() != {"start", "end"}:
        raise _UnknownError(".destinationPort.range must have start and end alone")
    return document["start"], document["end"]


def _named(known: Mapping[str, ReadT], name: Any) -> ReadT | None:
    return known.get(name) if isinstance(name, str) else None


def _is_number(value: Any, first: int, last: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and first <= value <= last
