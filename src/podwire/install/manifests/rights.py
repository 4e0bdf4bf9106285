"""ServiceAccounts, the namespaces of their own, and the roles and bindings of `component/permissions.py` for them."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.component import permissions
from podwire.install.manifests import (
    agent_daemon_set,
    controller_deployment,
    dns_deployment,
    gateway_deployment,
    mesh_deployment,
)
from podwire.install.manifests.manifest import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Manifest,
    common_labels,
    manifest,
)
from podwire.install.settings import NAMESPACE, Settings
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import NAMESPACES, SERVICE_ACCOUNTS

PROGRAMS = (
    # component, ServiceAccount, ClusterRole
    (agent_daemon_set.COMPONENT, agent_daemon_set.NAME, permissions.AGENT),
    (dns_deployment.COMPONENT, dns_deployment.NAME, permissions.DNS),
    (controller_deployment.COMPONENT, controller_deployment.NAME, permissions.CONTROLLER),
    (gateway_deployment.COMPONENT, gateway_deployment.NAME, permissions.GATEWAY),
    (mesh_deployment.COMPONENT, mesh_deployment.NAME, permissions.MESH),
    (mesh_deployment.NODE_COMPONENT, mesh_deployment.NODE_NAME, permissions.MESH_NODE),
)

KINDS = (CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS)


def rights(settings: Settings, component: str) -> Iterator[Manifest]:
    """The account of a component, its roles and their bindings, and the namespace that it writes to."""
    account, role = next((account, role) for name, account, role in PROGRAMS if name == component)
    labels = common_labels(settings, component)
    if role in permissions.RULES_IN:
        yield manifest(NAMESPACES, permissions.RULES_IN[role][0], labels)
    place = PROXIES if role == permissions.MESH_NODE else NAMESPACE
    yield manifest(SERVICE_ACCOUNTS, account, labels, namespace=place)
    for body in permissions.objects({role: permissions.account(place, account)}):
        kind = next(kind for kind in KINDS if kind.kind == body["kind"])
        parts = {name: value for name, value in body.items() if name not in {"apiVersion", "kind", "metadata"}}
        namespace = body["metadata"].get("namespace", "")
        yield manifest(kind, body["metadata"]["name"], labels, namespace=namespace, **parts)
