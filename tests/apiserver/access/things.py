"""Roles, bindings and pods as the tests of access write them."""

from __future__ import annotations

from typing import Any

from tests.apiserver.conftest import Talk

Object = dict[str, Any]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"


def rule(verbs: str, groups: str, resources: str, *names: str) -> Object:
    parts = {"verbs": verbs.split(), "apiGroups": groups.split(" "), "resources": resources.split()}
    return {**parts, "resourceNames": list(names)} if names else parts


def role(name: str, *rules: Object, **parts: Any) -> Object:
    """A Role or ClusterRole, by the path that it is sent to."""
    labels = parts.pop("labels", {})
    return {"metadata": {"name": name, "labels": labels}, "rules": list(rules), **parts}


def binding(name: str, role_name: str, *subjects: Object, kind: str = "ClusterRole") -> Object:
    return {"metadata": {"name": name}, "roleRef": {"kind": kind, "name": role_name}, "subjects": list(subjects)}


def user(name: str) -> Object:
    return {"kind": "User", "name": name}


def group(name: str) -> Object:
    return {"kind": "Group", "name": name}


def account(name: str, namespace: str = "default") -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def pod(name: str, node: str = "", **spec: Any) -> Object:
    place = {"nodeName": node} if node else {}
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **place, **spec}}


async def allow(talk: Talk, name: str, *rules: Object, namespace: str = "") -> None:
    """Give a user rules, in one namespace or everywhere."""
    where = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
    roles, bindings, kind = (
        ("roles", "rolebindings", "Role") if namespace else ("clusterroles", "clusterrolebindings", "ClusterRole")
    )
    await talk.ok("POST", f"{where}/{roles}", role(f"of-{name}", *rules))
    await talk.ok("POST", f"{where}/{bindings}", binding(f"of-{name}", f"of-{name}", user(name), kind=kind))
