"""Node selectors, required node affinity, taints and tolerations. Pure.

Source: k8s.io/component-helpers `scheduling/corev1/nodeaffinity`, `corev1/helpers.go`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from podwire.kube.scheduling import NO_EXECUTE, NO_SCHEDULE, Taint, Toleration
from podwire.kube.selectors import requirement_matches

if TYPE_CHECKING:
    from podwire.kube.core import Node, PodSpec
    from podwire.kube.meta import LabelSelectorRequirement
    from podwire.kube.scheduling import NodeSelectorTerm

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def selects(spec: PodSpec, node: Node) -> bool:
    """Return whether the pod's node selector and required affinity match this node."""
    if not spec.node_selector.items() <= node.metadata.labels.items():
        return False
    required = spec.affinity.node_affinity.required
    return required is None or any(_term_matches(term, node) for term in required.node_selector_terms)


def untolerated(
    tolerations: Iterable[Toleration], taints: Iterable[Taint], effects: Collection[str] = (NO_SCHEDULE, NO_EXECUTE)
) -> Taint | None:
    """Return the first taint of these effects that no toleration covers."""
    tolerations = tuple(tolerations)
    for taint in taints:
        if taint.effect in effects and not any(line.tolerates(taint) for line in tolerations):
            return taint
    return None


def tolerates(tolerations: Iterable[Toleration], key: str) -> bool:
    """Return whether a taint of this key is tolerated, in one of its effects."""
    tolerations = tuple(tolerations)
    return any(line.tolerates(Taint(key=key, effect=e)) for line in tolerations for e in (NO_SCHEDULE, NO_EXECUTE))


def _term_matches(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_line_matches(line, node.metadata.labels) for line in term.match_expressions) and all(
        _line_matches(line, fields) for line in term.match_fields
    )


def _line_matches(line: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Return whether a requirement of a node selector holds: as in label selectors, and Gt and Lt of integers."""
    if line.operator not in {"Gt", "Lt"}:
        return requirement_matches(line, labels)
    try:
        have, bound = int(labels[line.key]), int(line.values[0])
    except (KeyError, IndexError, ValueError):
        return False
    return have > bound if line.operator == "Gt" else have < bound
