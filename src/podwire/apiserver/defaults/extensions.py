"""Defaults of apiextensions.k8s.io. Source: k8s.io/apiextensions-apiserver `pkg/apis/apiextensions/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def definition(obj: Object) -> None:
    """Complete a CustomResourceDefinition."""
    spec = obj.get("spec")
    if spec is None:
        return
    names = spec.get("names") or {}
    if names.get("kind"):
        if not names.get("singular"):
            names["singular"] = names["kind"].lower()
        if not names.get("listKind"):
            names["listKind"] = f"{names['kind']}List"
    spec.setdefault("conversion", {}).setdefault("strategy", "None")
    spec.pop("preserveUnknownFields", None)
