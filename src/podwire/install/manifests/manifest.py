"""One object to be applied: its kind, its name and its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.install.settings import NAMESPACE, Settings
from podwire.kube import kinds
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName, Object

RBAC = "rbac.authorization.k8s.io/v1"
CLUSTER_ROLES = Kind(RBAC, "ClusterRole", "clusterroles", Object, namespaced=False)
CLUSTER_ROLE_BINDINGS = Kind(RBAC, "ClusterRoleBinding", "clusterrolebindings", Object, namespaced=False)
ROLES = Kind(RBAC, "Role", "roles", Object)
ROLE_BINDINGS = Kind(RBAC, "RoleBinding", "rolebindings", Object)
ADMISSION = "admissionregistration.k8s.io/v1"
ADMISSION_POLICIES = Kind(
    ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", Object, namespaced=False
)
ADMISSION_BINDINGS = Kind(
    ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", Object, namespaced=False
)
POD_MONITORS = Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors", Object)

APPLIED: tuple[Kind[Any], ...] = (
    kinds.NAMESPACES,
    kinds.SERVICE_ACCOUNTS,
    CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS,
    ROLES,
    ROLE_BINDINGS,
    ADMISSION_POLICIES,
    ADMISSION_BINDINGS,
    kinds.SERVICES,
    kinds.DAEMON_SETS,
    kinds.DEPLOYMENTS,
    kinds.POD_DISRUPTION_BUDGETS,
    POD_MONITORS,
)
"""The kinds of all manifests, in the order in which they are applied."""

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
VERSION_LABEL = "app.kubernetes.io/version"
MANAGER_LABEL = "app.kubernetes.io/managed-by"
NAME = "podwire"


class Manifest(msgspec.Struct, frozen=True):
    """An object as it is applied; `body` has all of it, apiVersion and kind too."""

    kind: Kind[Any]
    body: dict[str, Any]

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        metadata = self.body["metadata"]
        return NamespacedName(metadata.get("namespace", ""), metadata["name"])

    def __str__(self) -> str:
        return f"{self.kind.kind.lower()} {self.key}"


def manifest(
    kind: Kind[Any],
    name: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    namespace: str = NAMESPACE,
    **parts: Any,
) -> Manifest:
    """An object of this name, in the namespace where its kind has one; `parts` are its other fields."""
    metadata: dict[str, Any] = {"name": name}
    if kind.namespaced:
        metadata["namespace"] = namespace
    metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return Manifest(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts})


def selecting_labels(component: str) -> dict[str, str]:
    """The labels by which a component's pods are selected; they never change."""
    return {NAME_LABEL: NAME, COMPONENT_LABEL: component}


def common_labels(settings: Settings, component: str) -> dict[str, str]:
    """The labels of every object of a component."""
    return {**selecting_labels(component), VERSION_LABEL: settings.version}


def of_body(body: dict[str, Any]) -> Manifest:
    """The manifest of an object that is written out. Raises KeyError for a kind that is not in APPLIED."""
    known = {(kind.api_version, kind.kind): kind for kind in APPLIED}
    return Manifest(known[body["apiVersion"], body["kind"]], body)
