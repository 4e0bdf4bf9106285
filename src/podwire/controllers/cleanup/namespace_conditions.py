"""Status conditions of a namespace that is being deleted. Pure.

Source: kubernetes `pkg/controller/namespace/deletion/status_condition_utils.go`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podwire.kube.meta import Condition

if TYPE_CHECKING:
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import Object

DISCOVERY = "NamespaceDeletionDiscoveryFailure"
GROUP_VERSIONS = "NamespaceDeletionGroupVersionParsingFailure"
CONTENT_FAILURE = "NamespaceDeletionContentFailure"
CONTENT_REMAINING = "NamespaceContentRemaining"
FINALIZERS_REMAINING = "NamespaceFinalizersRemaining"

SUCCESS = {
    DISCOVERY: ("ResourcesDiscovered", "All resources successfully discovered"),
    GROUP_VERSIONS: ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    CONTENT_FAILURE: ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    CONTENT_REMAINING: ("ContentRemoved", "All content successfully removed"),
    FINALIZERS_REMAINING: ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}
"""Reason and message of each condition while its status is False, in the order of the list."""


@dataclass(slots=True)
class Outcome:
    """Result of one pass over the content of a namespace."""

    discovery_error: str = ""
    group_version_error: str = ""
    errors: list[str] = field(default_factory=list)
    remaining: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Return whether all content is known to be gone."""
        return not (self.discovery_error or self.group_version_error or self.errors or self.remaining)


def qualified(kind: Kind[Object]) -> str:
    """Return `resource.group`; the core group leaves a trailing dot, as upstream prints it."""
    group = kind.api_version.rpartition("/")[0]
    return f"{kind.resource}.{group}"


def conditions(before: Sequence[Condition], outcome: Outcome, now: str) -> tuple[Condition, ...]:
    """Return the conditions after a pass; a condition of another type stays, an unchanged one keeps its time."""
    known = {condition.type: condition for condition in before}
    failures = _failures(outcome)
    for name, success in SUCCESS.items():
        status = "True" if name in failures else "False"
        reason, message = failures.get(name, success)
        old = known.get(name)
        since = old.last_transition_time if old is not None and old.status == status else now
        known[name] = Condition(type=name, status=status, reason=reason, message=message, last_transition_time=since)
    return tuple(known.values())


def _failures(outcome: Outcome) -> Mapping[str, tuple[str, str]]:
    found = {}
    if outcome.discovery_error:
        found[DISCOVERY] = ("DiscoveryFailed", outcome.discovery_error)
    if outcome.group_version_error:
        found[GROUP_VERSIONS] = ("GroupVersionParsingFailed", outcome.group_version_error)
    if outcome.errors:
        text = ", ".join(sorted(outcome.errors))
        message = f"Failed to delete all resource types, {len(outcome.errors)} remaining: {text}"
        found[CONTENT_FAILURE] = ("ContentDeletionFailed", message)
    if outcome.remaining:
        text = ", ".join(sorted(f"{name} has {count} resource instances" for name, count in outcome.remaining.items()))
        found[CONTENT_REMAINING] = ("SomeResourcesRemain", f"Some resources are remaining: {text}")
    if outcome.finalizers:
        text = ", ".join(sorted(f"{name} in {count} resource instances" for name, count in outcome.finalizers.items()))
        message = f"Some content in the namespace has finalizers remaining: {text}"
        found[FINALIZERS_REMAINING] = ("SomeFinalizersRemain", message)
    return found
