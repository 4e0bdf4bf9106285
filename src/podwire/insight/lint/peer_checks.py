"""Checks of the peers of rules. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.label_hints import LabelHints
from podwire.insight.lint.scene import Scene, WrittenRule, peer_of
from podwire.insight.lint.selectors import covers, covers_rule, shown
from podwire.insight.reach.profiles import Profile
from podwire.kube.addresses import parsed
from podwire.kube.meta import NamespacedName
from podwire.policy.model import Block, Direction, IPAddress, Pods

USUAL_SERVICES = ipaddress.ip_network("10.96.0.0/12")
"""Addresses of Services as kubeadm gives them: of files, where they are not known."""


def unknown_labels(scene: Scene) -> Iterator[Finding]:
    """Rules that match no peer, and single peers by labels that no pod has."""
    hints = LabelHints(scene)
    for one in scene.rules:
        home = one.policy.metadata.namespace
        missing = [
            (number, peer)
            for number, peer in enumerate(map(peer_of, one.peers))
            if isinstance(peer, Pods) and not scene.sets.selected(peer, home)
        ]
        if missing and len(missing) == len(one.peers):
            why = "; ".join(_nobody(hints, peer, home) for _, peer in missing)
            yield scene.finding(
                "rule-unused", Severity.WARNING, one.policy, one.path,
                message=f"the rule is about nobody: {why}", remedy="correct the labels, or remove the rule",
            )  # fmt: skip
            continue
        for number, peer in missing:
            yield scene.finding(
                "labels-nobody-has", Severity.WARNING, one.policy, (*one.path, one.peers_field, number),
                message=_nobody(hints, peer, home), remedy="correct the labels, or remove the peer",
            )  # fmt: skip


def _nobody(hints: LabelHints, peer: Pods, home: str) -> str:
    hint = _hint(hints, peer, home)
    return f"no pod is meant by {_peer_text(peer)}" + (f": {hint}" if hint else "")


def _hint(hints: LabelHints, peer: Pods, home: str) -> str:
    if peer.namespaces is None:
        return hints.of_pods(peer.pods, home)
    return hints.of_namespaces(peer.namespaces) or hints.of_pods(peer.pods, None)


def _peer_text(peer: Pods) -> str:
    if peer.namespaces is None:
        return f"podSelector {shown(peer.pods)} in the policy's own namespace"
    return f"namespaceSelector {shown(peer.namespaces)} with podSelector {shown(peer.pods)}"


def two_items(scene: Scene) -> Iterator[Finding]:
    """A selector of namespaces and one of pods as two items: either, where both may be meant."""
    for one in scene.rules:
        for number, (first, second) in enumerate(zip(one.peers, one.peers[1:], strict=False)):
            if first.namespace_selector is None or first.pod_selector is not None:
                continue
            if second.pod_selector is None or second.namespace_selector is not None:
                continue
            peer = Pods(first.namespace_selector, second.pod_selector)
            if not scene.sets.selected(peer, one.policy.metadata.namespace):
                continue
            yield scene.finding(
                "two-items", Severity.WARNING, one.policy, (*one.path, one.peers_field, number + 1),
                message=f"two items: all pods of namespaces with {shown(first.namespace_selector)}, and besides them "
                f"pods with {shown(second.pod_selector)} of the policy's own namespace",
                remedy="where pods with these labels in these namespaces are meant, write both selectors in one item: "
                "remove the '-' before podSelector",
            )  # fmt: skip


def shadowed(scene: Scene) -> Iterator[Finding]:
    """Rules that admit nothing which another rule does not admit already. Of two equal ones the later is reported."""
    gone: set[int] = set()
    by_home: dict[tuple[str, Direction], list[tuple[int, WrittenRule]]] = {}
    for number, one in enumerate(scene.rules):
        by_home.setdefault((one.policy.metadata.namespace, one.direction), []).append((number, one))
    for found in by_home.values():
        for number, one in reversed(found):
            other = next((o for n, o in found if n != number and n not in gone and _shadows(o, one)), None)
            if other is not None:
                gone.add(number)
                where = scene.snapshot.place("NetworkPolicy", other.policy.key, *other.path)
                yield scene.finding(
                    "rule-shadowed", Severity.INFO, one.policy, one.path,
                    message=f"all that it admits is admitted by {other.policy.key} {other.direction.value}"
                    f"[{other.index}] ({where}) already",
                    remedy="remove the rule, or narrow the other one",
                )  # fmt: skip


def _shadows(wide: WrittenRule, narrow: WrittenRule) -> bool:
    selector, other = wide.meaning.selector, narrow.meaning.selector
    if narrow.rule.peers == () or narrow.rule.ports == ():
        return False  # not valid: another check
    return covers(selector, other) and covers_rule(wide.rule, narrow.rule, same_home=True)


def service_addresses(scene: Scene) -> Iterator[Finding]:
    """Blocks that hold addresses of Services: they are pods' addresses before a policy sees them."""
    known: dict[IPAddress, NamespacedName] = {}
    for service in scene.snapshot.services:
        known |= {address: service.key for text in service.addresses if (address := parsed(text)) is not None}
    for one in scene.rules:
        for number, written in enumerate(one.peers):
            block = peer_of(written)
            if not isinstance(block, Block) or scene.snapshot.pod_ranges.holds(block) is not False:
                continue
            held = next((key for address, key in known.items() if block.holds(address)), None)
            usual = block.network.version == 4 and block.network.subnet_of(USUAL_SERVICES)  # type: ignore[arg-type]
            wide = block.network.prefixlen < 8
            if wide or (held is None and not (usual and scene.snapshot.is_planned)):
                continue
            what = f"has the ClusterIP of Service {held}" if held else f"is of {USUAL_SERVICES}, addresses of Services"
            yield scene.finding(
                "block-of-service", Severity.ERROR, one.policy, (*one.path, one.peers_field, number, "ipBlock"),
                message=f"{block.network} {what}: a Service's address becomes a pod's before policies are applied, so "
                "the rule never matches",
                remedy="select the pods behind the Service by labels, and use their ports",
            )  # fmt: skip


def blocks_of_pods(scene: Scene) -> Iterator[Finding]:
    """Blocks of all addresses: pods are in them too."""
    for one in scene.rules:
        for number, written in enumerate(one.peers):
            block = peer_of(written)
            if isinstance(block, Block) and block.network.prefixlen == 0 and scene.snapshot.pod_ranges.holds(block):
                yield scene.finding(
                    "block-of-pods", Severity.INFO, one.policy, (*one.path, one.peers_field, number, "ipBlock"),
                    message=f"{block.network} is every address: all pods of the cluster too, not only outside",
                    remedy="where only outside is meant, add except: with the ranges of pods "
                    f"({scene.snapshot.pod_ranges}) and of other private networks",
                )  # fmt: skip


def one_sided(scene: Scene) -> Iterator[Finding]:
    """Rules of which the policies of the other end admit nothing."""
    matrix = scene.family.matrix
    for one in scene.rules:
        subjects = scene.subjects(one.meaning)
        peers = scene.sets.peers(scene.axis, one.rule, one.policy.metadata.namespace) & scene.pods
        if not subjects or not peers or one.rule.ports == () or _has_block(one):
            continue
        others = matrix.ingress if one.direction is Direction.EGRESS else matrix.egress
        identity = scene.answer.classes.found[(subjects & -subjects).bit_length() - 1].identity
        desired = list(scene.sets.allowed_ports(one.rule, one.direction, identity, peers))
        if not desired or _agreed(others, desired, subjects):
            continue
        end = (
            "egress policies of the sources" if one.direction is Direction.INGRESS else "ingress policies of these pods"
        )
        yield scene.finding(
            "other-end-refuses", Severity.WARNING, one.policy, one.path,
            message=f"it admits {scene.text(peers)}, but the {end} admit nothing of it",
            remedy="a connection needs both ends: add a rule to the policy of the other end, or remove this one",
        )  # fmt: skip


def _agreed(others: Sequence[Profile], desired: list[tuple[int, int]], subjects: int) -> bool:
    return any(
        profile.subjects & some and ports & mask and back & subjects
        for profile in others
        for ports, some in desired
        if profile.subjects & some
        for mask, back in profile.allowed.items()
    )


def _has_block(one: WrittenRule) -> bool:
    return one.rule.peers is None or any(isinstance(peer, Block) for peer in one.rule.peers)
