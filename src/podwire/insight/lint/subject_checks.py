"""Checks of whom policies select, and of pods that no policy selects. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.lint.label_hints import LabelHints
from podwire.insight.lint.scene import Scene
from podwire.insight.lint.selectors import shown
from podwire.kube.meta import NamespacedName
from podwire.policy.model import Direction
from podwire.policy.tiers import Action

DENY = """apply, in namespace {0}: {{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
metadata: {{name: default-deny, namespace: {0}}}, spec: {{podSelector: {{}}, policyTypes: [{1}]}}}}"""
SYSTEM = frozenset(("kube-system", "kube-public", "kube-node-lease"))
"""Namespaces of the cluster's own programs, which users rarely isolate."""


def selects_nothing(scene: Scene) -> Iterator[Finding]:
    """Policies that select no pod."""
    hints = LabelHints(scene)
    for written, meaning in scene.policies:
        namespace = written.metadata.namespace
        if scene.subjects(meaning):
            continue
        if _of_host_network(scene, written.key):
            continue
        found = hints.of_pods(written.spec.pod_selector, namespace)
        near = f": {found}" if found else ""
        yield scene.finding(
            "selects-nothing", Severity.ERROR, written, ("spec", "podSelector"),
            message=f"no pod of namespace {namespace} has {shown(written.spec.pod_selector)}{near}",
            remedy="correct the labels or the namespace, or remove the policy: it isolates nothing",
        )  # fmt: skip


def _of_host_network(scene: Scene, key: NamespacedName) -> list[str]:
    """Return the workloads on the nodes' network that the policy's labels select."""
    from podwire.kube.selectors import matches

    policy = next(written for written, _ in scene.policies if written.key == key)
    return [
        str(one)
        for one in scene.snapshot.workloads
        if one.spec.host_network and one.namespace == key.namespace and matches(policy.spec.pod_selector, one.labels)
    ]


def host_network(scene: Scene) -> Iterator[Finding]:
    """Policies whose labels select pods that use the network of their node."""
    for written, _ in scene.policies:
        found = _of_host_network(scene, written.key)
        if found and (written.spec.pod_selector.match_labels or written.spec.pod_selector.match_expressions):
            yield scene.finding(
                "host-network-selected", Severity.ERROR, written, ("spec", "podSelector"),
                message=f"{', '.join(sorted(set(found)))} uses the node's network: no NetworkPolicy applies to it",
                remedy="remove hostNetwork from its pods, or protect its ports on the node",
            )  # fmt: skip


def default_deny(scene: Scene) -> Iterator[Finding]:
    """Namespaces with pods that no policy selects for ingress, then those that it leaves free to send."""
    for direction, severity in ((Direction.INGRESS, Severity.WARNING), (Direction.EGRESS, Severity.INFO)):
        selected = 0
        for _, meaning in scene.policies:
            if meaning.rules(direction) is not None:
                selected |= scene.subjects(meaning)
        for tier in scene.answer.question.tiers:
            if any(rule.action is Action.DENY for rule in tier.rules(direction)):
                selected |= scene.sets.selected(tier.subject, "")
        open_pods: defaultdict[str, list[str]] = defaultdict(list)
        for number, party in enumerate(scene.parties.all):
            known = party.is_assumed or party.host_network or party.key.namespace in SYSTEM
            if not known and scene.parties.classes(number) & ~selected:
                open_pods[party.key.namespace].append(party.key.name)
        for namespace, names in sorted(open_pods.items()):
            yield _open(scene, direction, severity, namespace, names)


def _open(scene: Scene, direction: Direction, severity: Severity, namespace: str, names: list[str]) -> Finding:
    shown_names = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    word = "anyone reaches" if direction is Direction.INGRESS else "nothing limits what is sent by"
    key = NamespacedName("", namespace)
    first = next(one for one in scene.parties.all if one.key.namespace == namespace and one.key.name == min(names))
    known = ("Namespace", key) in scene.snapshot.manifests
    return Finding(
        "default-deny-missing",
        severity,
        scene.at("Namespace", key) if known or not first.place else first.place,
        f"Namespace {namespace}",
        f"no policy selects {shown_names} for {direction.value}: {word} it",
        DENY.format(namespace, direction.value.capitalize()),
    )


def policy_types(scene: Scene) -> Iterator[Finding]:
    """Sections that policyTypes leave out, and ingress that is isolated without a word."""
    for written, meaning in scene.policies:
        spec = written.spec
        for section, rules, applied in (
            ("ingress", spec.ingress, meaning.ingress),
            ("egress", spec.egress, meaning.egress),
        ):
            if rules and applied is None:
                yield scene.finding(
                    "section-ignored", Severity.ERROR, written, ("spec", section),
                    message=f"its {section} rules have no effect: policyTypes is [{', '.join(spec.policy_types)}]",
                    remedy=f"add {section.capitalize()} to policyTypes, or remove the rules",
                )  # fmt: skip
        if spec.egress and not spec.ingress and not spec.policy_types:
            yield scene.finding(
                "ingress-isolated-too", Severity.WARNING, written, ("spec", "egress"),
                message="without policyTypes a policy of egress isolates ingress as well, and admits nobody",
                remedy="add policyTypes: [Egress], or [Ingress, Egress] where both are meant",
            )  # fmt: skip
