"""ServiceAccounts, and the ClusterRoles and bindings of `component/permissions.py` for them."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.component import permissions
from podwire.install import agent_daemon_set, controller_deployment, dns_deployment
from podwire.install.manifest import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, Manifest, common_labels, manifest
from podwire.install.settings import NAMESPACE, Settings
from podwire.kube.kinds import SERVICE_ACCOUNTS

PROGRAMS = (
    # component, ServiceAccount, ClusterRole
    (agent_daemon_set.COMPONENT, agent_daemon_set.NAME, permissions.AGENT),
    (dns_deployment.COMPONENT, dns_deployment.NAME, permissions.DNS),
    (controller_deployment.COMPONENT, controller_deployment.NAME, permissions.CONTROLLER),
)


def rights(settings: Settings, component: str) -> Iterator[Manifest]:
    """The account of a component, its role and the binding."""
    account, role = next((account, role) for name, account, role in PROGRAMS if name == component)
    labels = common_labels(settings, component)
    yield manifest(SERVICE_ACCOUNTS, account, labels)
    for body in permissions.objects({role: permissions.account(NAMESPACE, account)}):
        kind = CLUSTER_ROLES if body["kind"] == CLUSTER_ROLES.kind else CLUSTER_ROLE_BINDINGS
        parts = {name: value for name, value in body.items() if name not in {"apiVersion", "kind", "metadata"}}
        yield manifest(kind, body["metadata"]["name"], labels, **parts)
