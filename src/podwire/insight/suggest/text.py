"""Suggested policies as YAML with comments: how often each rule was used, and what was seen only once. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from podwire.kube.yaml_output import scalar
from podwire.policy.model import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from podwire.insight.suggest.observed import Peer
    from podwire.insight.suggest.policies import SeenPolicy, SeenRule
    from podwire.insight.suggest.selectors import Selectors

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
ONCE = "SEEN ONCE: keep it only if it is meant"


def text(suggested: Sequence[SeenPolicy], selectors: Selectors, unseen: Iterable[Peer], period: str) -> str:
    """Return the documents. `unseen` are workloads without any record, `period` is what the records cover."""
    lines = [
        f"# Suggested by podwire from {period}.",
        "# What was seen is allowed, the rest is closed; policies that exist already allow as well.",
        *(f"# Not seen, so without a policy: {one}" for one in sorted(unseen)),
    ]
    names = [one.workload for one in suggested]
    for policy in suggested:
        unique = (
            sum((one.namespace, one.name) == (policy.workload.namespace, policy.workload.name) for one in names) == 1
        )
        lines += ["---", *_policy(policy, selectors, unique=unique)]
    return "".join(f"{line}\n" for line in lines)


def policy_name(workload: Peer, *, unique: bool = True) -> str:
    """The name of a workload's policy, with its kind where workloads of two kinds share a name."""
    return f"seen-{workload.name}" if unique else f"seen-{workload.kind.lower()}-{workload.name}"


def _policy(policy: SeenPolicy, selectors: Selectors, *, unique: bool) -> Iterator[str]:
    workload = policy.workload
    yield f"# {workload}: {_count(policy.ingress)} received, {_count(policy.egress)} sent"
    also = selectors.also_selected(workload)
    if also:
        yield f"# Its labels select {', '.join(map(str, also))} too: give it a label of its own"
    for way in policy.unnamed:
        name = way.protocol or "another protocol"
        yield f"# {name} from {way.source} to {way.destination} was seen too: only a rule for all ports allows it"
    yield "apiVersion: networking.k8s.io/v1"
    yield "kind: NetworkPolicy"
    yield "metadata:"
    yield f"  name: {scalar(policy_name(workload, unique=unique))}"
    yield f"  namespace: {scalar(workload.namespace)}"
    yield "spec:"
    yield f"  podSelector: {_selector(selectors.of(workload))}"
    yield "  policyTypes: [Ingress, Egress]"
    for direction, word in ((Direction.INGRESS, "from"), (Direction.EGRESS, "to")):
        rules = policy.rules(direction)
        if rules:
            yield f"  {direction.value}:"
        for rule in rules:
            yield from _rule(rule, word, workload.namespace, selectors)


def _rule(rule: SeenRule, word: str, home: str, selectors: Selectors) -> Iterator[str]:
    for peer, count in zip(rule.peers, rule.counts, strict=True):
        mark = f"; {ONCE}" if count == 1 else ""
        verb = "dropped until now" if rule.dropped else "seen"
        yield f"  # {count} {'connection' if count == 1 else 'connections'} {verb} {word} {peer}{mark}"
    for number, peer in enumerate(rule.peers):
        if number == 0:
            yield f"  - {word}:"
        yield from (f"    {line}" for line in _peer(peer, home, selectors))
    yield "    ports:"
    for protocol, port in rule.ports:
        yield f"    - {{port: {port}, protocol: {protocol}}}"


def _peer(peer: Peer, home: str, selectors: Selectors) -> Iterator[str]:
    if peer.address:
        bits = ipaddress.ip_address(peer.address).max_prefixlen
        yield f'- ipBlock: {{cidr: "{peer.address}/{bits}"}}'
        return
    if peer.namespace == home:
        yield f"- podSelector: {_selector(selectors.of(peer))}"
        return
    yield f"- namespaceSelector: {_selector({NAMESPACE_LABEL: peer.namespace})}"
    yield f"  podSelector: {_selector(selectors.of(peer))}"


def _selector(labels: Mapping[str, str]) -> str:
    if not labels:
        return "{}"
    pairs = ", ".join(f"{scalar(key)}: {scalar(value)}" for key, value in labels.items())
    return f"{{matchLabels: {{{pairs}}}}}"


def _count(rules: Iterable[SeenRule]) -> int:
    return sum(sum(rule.counts) for rule in rules)
