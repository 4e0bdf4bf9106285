"""Taints, tolerations and affinity. Source: k8s.io/api `core/v1` Taint, Toleration, NodeAffinity."""

from __future__ import annotations

import msgspec

from podwire.kube.meta import LabelSelectorRequirement, Struct

NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"


class Taint(Struct, frozen=True):
    """A node with a taint takes no pods (NoSchedule), or also evicts those that it has (NoExecute)."""

    key: str
    effect: str
    value: str = ""
    time_added: str | None = None


class Toleration(Struct, frozen=True):
    """Taints that a pod tolerates. Empty parts match all; NoExecute is tolerated for `toleration_seconds` only."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None

    def tolerates(self, taint: Taint) -> bool:
        """Whether this line covers the taint."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or (bool(self.key) and self.value == taint.value)


class NodeSelectorTerm(Struct, frozen=True):
    """All lines must hold. An empty term matches no node."""

    match_expressions: tuple[LabelSelectorRequirement, ...] = ()
    match_fields: tuple[LabelSelectorRequirement, ...] = ()


class NodeSelector(Struct, frozen=True):
    """One term must match."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class NodeAffinity(Struct, frozen=True):
    """The nodes on which a pod may be placed. Preferences are not read."""

    required: NodeSelector | None = msgspec.field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")


class Affinity(Struct, frozen=True):
    """Only the affinity to nodes is implemented."""

    node_affinity: NodeAffinity = NodeAffinity()
