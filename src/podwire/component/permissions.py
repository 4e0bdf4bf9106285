"""What podwire's programs need of an API server: ClusterRoles, and bindings of them to given subjects.

One table for every place where they run: an API server that is given them as bootstrap objects, and manifests of a
cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Object = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
READ = ("get", "list", "watch")
RECORD = ("create", "patch")
"""What an event recorder does."""

AGENT = "podwire:agent"
DNS = "podwire:dns"
CONTROLLER = "podwire:controller"
RELAY = "podwire:relay"
"""The process of a world that makes Services reachable from its host."""

Rule = tuple[str, tuple[str, ...], tuple[str, ...]]
"""API group, resources, verbs."""

RULES: Mapping[str, tuple[Rule, ...]] = {
    AGENT: (
        ("", ("namespaces", "nodes", "pods", "services"), READ),
        ("discovery.k8s.io", ("endpointslices",), READ),
        ("networking.k8s.io", ("networkpolicies", "servicecidrs"), READ),
        ("", ("events",), RECORD),
    ),
    DNS: (
        ("", ("namespaces", "services"), READ),
        ("discovery.k8s.io", ("endpointslices",), READ),
    ),
    CONTROLLER: (
        ("", ("nodes", "services"), (*READ, "patch")),
        ("", ("nodes/status", "services/status"), ("patch",)),
        ("coordination.k8s.io", ("leases",), ("get", "create", "patch")),
        ("", ("events",), RECORD),
    ),
    RELAY: (
        ("", ("nodes", "services"), READ),
        ("discovery.k8s.io", ("endpointslices",), READ),
        ("", ("events",), RECORD),
    ),
}
"""By role: what it may do."""

AGENTS = "podwire:agents"
"""The group in the certificates of agents that have no ServiceAccount."""


def group(name: str) -> Object:
    """A group as the subject of a binding."""
    return {"apiGroup": GROUP, "kind": "Group", "name": name}


def user(name: str) -> Object:
    """A user as the subject of a binding."""
    return {"apiGroup": GROUP, "kind": "User", "name": name}


def account(namespace: str, name: str) -> Object:
    """A ServiceAccount as the subject of a binding."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


CERTIFICATE_SUBJECTS: Mapping[str, Object] = {AGENT: group(AGENTS), DNS: user(DNS), RELAY: user(RELAY)}
"""Subjects where each program proves itself by a client certificate."""


def objects(subjects: Mapping[str, Object]) -> Iterator[Object]:
    """The ClusterRole of each role that has a subject, and its binding to that."""
    for name, subject in subjects.items():
        rules = [
            {"apiGroups": [found], "resources": [*names], "verbs": [*verbs]} for found, names, verbs in RULES[name]
        ]
        yield {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
        yield {
            "apiVersion": f"{GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        }
