"""Kinds of the group networking.k8s.io. Source: k8s.io/kubernetes `pkg/apis/networking/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def network_policy(obj: Object) -> None:
    """A NetworkPolicy without policyTypes restricts ingress, and egress where it has egress rules."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for port in rule.get("ports", ()):
            port.setdefault("protocol", "TCP")


def ingress_class(obj: Object) -> None:
    """An IngressClass."""
    parameters = obj.setdefault("spec", {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")
