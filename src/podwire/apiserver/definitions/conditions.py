"""The status of a definition: accepted names, conditions, versions in which objects may be stored. Pure.

Source: k8s.io/apiextensions-apiserver `pkg/controller/{status,establish,apiapproval,finalizer}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podwire.apiserver.validation.definition_rules import APPROVAL, PROTECTED_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.custom.rules import Unusable
    from podwire.apiserver.definitions.names import Conflict

Object = dict[str, Any]

NAMES_ACCEPTED = "NamesAccepted"
ESTABLISHED = "Established"
TERMINATING = "Terminating"
RULES_NOT_EVALUATED = "podwire.io/RulesNotEvaluated"
"""A condition of this server alone: CEL rules that are stored and not evaluated, as they cannot be compiled here."""

_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Findings:
    """Facts about a definition that its conditions report."""

    conflicts: Sequence[Conflict] = ()
    unusable: Sequence[Unusable] = ()


def complete(obj: Object, findings: Findings, now: str) -> None:
    """Put the status into a definition, in place; times of conditions that stay as they were are kept."""
    status = {**(obj.get("status") or {})}
    before = {one["type"]: one for one in status.get("conditions") or () if isinstance(one, dict) and "type" in one}
    established = before.get(ESTABLISHED, {}).get("status") == "True"
    desired = [_names_accepted(findings), _established(findings, established), *_others(obj, findings)]
    known = {condition["type"] for condition in desired} | {RULES_NOT_EVALUATED}
    own = [_dated(condition, before.get(condition["type"]), now) for condition in desired]
    others = [
        one for one in status.get("conditions") or () if not isinstance(one, dict) or one.get("type") not in known
    ]
    status["conditions"] = own + others
    if not findings.conflicts:
        status["acceptedNames"] = obj["spec"]["names"]
    status.setdefault("acceptedNames", {"plural": "", "kind": ""})
    stored = list(status.get("storedVersions") or ())
    storage = [version["name"] for version in obj["spec"]["versions"] if version.get("storage")]
    status["storedVersions"] = [*stored, *(name for name in storage if name not in stored)]
    obj["status"] = status


def _names_accepted(findings: Findings) -> Object:
    if findings.conflicts:
        first = findings.conflicts[0]
        message = ", ".join(conflict.message for conflict in findings.conflicts)
        return _condition(NAMES_ACCEPTED, "False", first.reason, message)
    return _condition(NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found")


def _established(findings: Findings, established: bool) -> Object:
    """A kind that was served keeps the names that it had."""
    if findings.conflicts and not established:
        return _condition(ESTABLISHED, "False", "NotAccepted", "not all names are accepted")
    return _condition(ESTABLISHED, "True", "InitialNamesAccepted", "the initial names have been accepted")


def _others(obj: Object, findings: Findings) -> list[Object]:
    found = []
    annotations = obj["metadata"].get("annotations") or {}
    if obj["spec"].get("group", "").endswith(PROTECTED_SUFFIXES) and APPROVAL in annotations:
        kind, reason = "KubernetesAPIApprovalPolicyConformant", "ApprovedAnnotation"
        found.append(_condition(kind, "True", reason, f"approved in {annotations[APPROVAL]}"))
    if findings.unusable:
        shown = "; ".join(str(rule) for rule in findings.unusable[:_MOST_SHOWN])
        message = f"{len(findings.unusable)} CEL expressions are stored and not evaluated: {shown}"
        found.append(_condition(RULES_NOT_EVALUATED, "True", "NotCompiled", message))
    if "deletionTimestamp" in obj["metadata"]:
        message = "CustomResource deletion is in progress"
        found.append(_condition(TERMINATING, "True", "InstanceDeletionInProgress", message))
    return found


def _condition(kind: str, state: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": state, "reason": reason, "message": message}


def _dated(condition: Object, before: Object | None, now: str) -> Object:
    kept = before is not None and before.get("status") == condition["status"] and "lastTransitionTime" in before
    return {**condition, "lastTransitionTime": before["lastTransitionTime"] if kept and before else now}
