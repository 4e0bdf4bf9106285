"""Kinds of the group rbac.authorization.k8s.io. Source: k8s.io/kubernetes `pkg/apis/rbac/v1/defaults.go`."""

from __future__ import annotations

from typing import Any

GROUP = "rbac.authorization.k8s.io"


def binding(obj: dict[str, Any]) -> None:
    """A RoleBinding or ClusterRoleBinding: users, groups and roles are RBAC's own kinds."""
    obj.setdefault("roleRef", {}).setdefault("apiGroup", GROUP)
    for subject in obj.get("subjects", ()):
        if subject.get("kind") in {"User", "Group"}:
            subject.setdefault("apiGroup", GROUP)
