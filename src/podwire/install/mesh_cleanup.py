"""The mesh without its controller: its pods on nodes end. Labels of namespaces are users' and remain."""

from __future__ import annotations

from podwire.install import cluster_objects
from podwire.install.cluster_objects import Report
from podwire.install.condition import until
from podwire.install.manifests import mesh_deployment
from podwire.install.manifests.manifest import manifest
from podwire.install.readiness import pods_of
from podwire.install.settings import NAMESPACE
from podwire.kube.client import Client
from podwire.kube.kinds import DAEMON_SETS, DEPLOYMENTS
from podwire.mesh.identity.exchange import NODE_ACCOUNT

END_SECONDS = 60.0


async def remove(client: Client, report: Report) -> None:
    """End the controller, then the mesh's pods on nodes. No error where there are none. Raises ApiError."""
    controller = manifest(DEPLOYMENTS, mesh_deployment.NAME, {}, namespace=NAMESPACE)
    await cluster_objects.delete(client, (controller,), report)
    await until(lambda: _controllers_gone(client), END_SECONDS)
    pods = manifest(DAEMON_SETS, NODE_ACCOUNT.name, {}, namespace=NODE_ACCOUNT.namespace)
    await cluster_objects.delete(client, (pods,), report)


async def _controllers_gone(client: Client) -> bool:
    return not await pods_of(client, mesh_deployment.COMPONENT)
