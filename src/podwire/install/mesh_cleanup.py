"""The mesh without its controller: its pods on nodes end. Labels of namespaces are users' and remain."""

from __future__ import annotations

from typing import Any

from podwire.install import cluster_objects
from podwire.install.cluster_objects import InstallError, Report
from podwire.install.condition import until
from podwire.install.manifests import mesh_deployment
from podwire.install.manifests.manifest import manifest
from podwire.install.readiness import pods_of
from podwire.install.settings import NAMESPACE
from podwire.kube.client import Client
from podwire.kube.kinds import DAEMON_SETS, DEPLOYMENTS, NAMESPACES, PODS, SERVICES, Kind
from podwire.mesh.identity.exchange import NODE_ACCOUNT
from podwire.redirection.enrolment import ENABLED, ISTIO_LABEL, LABEL, REDIRECTED, enrolled

END_SECONDS = 60.0
MOST_NAMED = 5


async def refuse_while_enrolled(client: Client) -> None:
    """Raise InstallError while something is enrolled, or a node still leads connections of pods to the mesh.

    Without Envoy these connections are refused, and without its policies they would be open to everyone.
    """
    kinds: tuple[Kind[Any], ...] = (NAMESPACES, SERVICES, PODS)
    found = [
        f"{kind.kind} {one.key}"
        for kind in kinds
        for one in (await client.list(kind)).items
        if enrolled(one.metadata.labels)
    ]
    if found:
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise InstallError(
            f"the mesh is in use: {', '.join(found[:MOST_NAMED])}{more}; without it connections of their pods are"
            f" refused. Take the labels {LABEL} and {ISTIO_LABEL} from them first, or keep --mesh"
        )
    led = (await client.list(PODS, labelSelector=f"{REDIRECTED}={ENABLED}")).items
    if led:
        raise InstallError(
            f"nodes still lead connections of {len(led)} pods to the mesh, such as {led[0].key}: run this again when"
            f" 'kubectl get pods -A -l {REDIRECTED}={ENABLED}' is empty; see the agents' logs if it stays"
        )


async def remove(client: Client, report: Report) -> None:
    """End the controller, then the mesh's pods on nodes. No error where there are none. Raises ApiError."""
    controller = manifest(DEPLOYMENTS, mesh_deployment.NAME, {}, namespace=NAMESPACE)
    await cluster_objects.delete(client, (controller,), report)
    await until(lambda: _controllers_gone(client), END_SECONDS)
    pods = manifest(DAEMON_SETS, NODE_ACCOUNT.name, {}, namespace=NODE_ACCOUNT.namespace)
    await cluster_objects.delete(client, (pods,), report)


async def _controllers_gone(client: Client) -> bool:
    return not await pods_of(client, mesh_deployment.COMPONENT)
