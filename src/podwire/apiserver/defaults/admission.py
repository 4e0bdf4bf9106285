"""Admission policies. Source: k8s.io/kubernetes `pkg/apis/admissionregistration/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def policy(obj: Object) -> None:
    """A ValidatingAdmissionPolicy."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    if "matchConstraints" in spec:
        _match(spec["matchConstraints"])


def binding(obj: Object) -> None:
    """A ValidatingAdmissionPolicyBinding."""
    match = obj.setdefault("spec", {}).get("matchResources")
    if match is not None:
        _match(match)


def _match(match: Object) -> None:
    match.setdefault("matchPolicy", "Equivalent")
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    for rule in (*match.get("resourceRules", ()), *match.get("excludeResourceRules", ())):
        rule.setdefault("scope", "*")
