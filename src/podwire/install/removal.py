"""podwire out of a cluster: its objects deleted, and every node as it was before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podwire.install import (
    balancer_cleanup,
    cluster_objects,
    gateway_cleanup,
    kube_proxy,
    mesh_cleanup,
    restore_pods,
    revisions,
    rollout,
)
from podwire.install.cluster_objects import InstallError, Report
from podwire.install.condition import until
from podwire.install.manifests import agent_daemon_set, controller_deployment, dns_deployment
from podwire.install.manifests.manifest import (
    APPLIED,
    COMPONENT_LABEL,
    MANAGER_LABEL,
    NAME,
    NAME_LABEL,
    Manifest,
    manifest,
)
from podwire.install.pod_states import POD_STATES, PodState
from podwire.install.readiness import pods_of
from podwire.install.settings import NAMESPACE, default_image, own_version
from podwire.kube import kinds
from podwire.kube.client import ApiError, Client
from podwire.kube.coordination import AGENT_LEASES
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import DAEMON_SETS, DEPLOYMENTS, LEASES, NODES, POD_DISRUPTION_BUDGETS, SERVICES
from podwire.kube.meta import NamespacedName

SERVED = (DEPLOYMENTS, POD_DISRUPTION_BUDGETS, SERVICES)
"""Kinds whose pods need an agent to end: their network has to be taken down by it."""
OWN_NAMESPACES = (AGENT_LEASES, PROXIES)
NAMESPACES = frozenset({"", NAMESPACE, *OWN_NAMESPACES})
"""Where objects of podwire are; the first are those of the whole cluster."""
DNS_SECONDS = 40.0
LEASE = manifest(LEASES, controller_deployment.NAME, {})
"""The controllers' own object."""


async def found(client: Client) -> list[Manifest]:
    """Every object of podwire in the cluster, in the order in which they are deleted. Raises ApiError.

    By its label: an object of a name that podwire once used may belong to another program now, as a Service `kube-dns`.
    """
    objects: list[Manifest] = []
    for kind in reversed(APPLIED):
        try:
            labelled = await client.list(kind, labelSelector=f"{NAME_LABEL}={NAME}")
        except ApiError as error:
            if error.code == 404:
                continue  # the kind of an operator that is not installed
            raise
        for one in labelled.items:
            if one.metadata.namespace not in NAMESPACES:
                continue
            if kind == kinds.NAMESPACES and one.metadata.name not in OWN_NAMESPACES:
                continue  # whatever its label is, what is in it may be another's
            metadata = {"name": one.metadata.name, "namespace": one.metadata.namespace, "labels": one.metadata.labels}
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            objects.append(Manifest(kind, body))
    return objects


async def image(client: Client) -> str:
    """The image of the agents, which nodes have; else that of the newest installation, or of this release."""
    try:
        agents = await client.get(DAEMON_SETS, NamespacedName(NAMESPACE, agent_daemon_set.NAME))
    except ApiError as error:
        if error.code != 404:
            raise
        known = revisions.newest(await cluster_objects.read_revisions(client))
        return known.settings.image if known is not None else default_image(own_version())
    return str(agents.spec.template.spec["containers"][0]["image"])


async def uninstall(client: Client, image_name: str, report: Report, patience: float) -> list[str]:
    """Remove podwire; return the nodes that are not restored, each with the reason. Raises InstallError, ApiError."""
    objects = await found(client)
    of_helm = next((one for one in objects if _labels(one).get(MANAGER_LABEL) == "Helm"), None)
    if of_helm is not None:
        raise InstallError(f"{of_helm} belongs to a release of helm: run 'helm uninstall' first, then this again")
    await _report_pods(client, report)
    await kube_proxy.start(client, report)
    await mesh_cleanup.remove(client, report)
    await gateway_cleanup.remove(client, report)
    agents = [one for one in objects if one.kind == DAEMON_SETS]
    served = [one for one in objects if one.kind in SERVED]
    await cluster_objects.delete(client, served, report)
    await _dns_gone(client)
    await cluster_objects.delete(client, agents, report)
    nodes = (await client.list(NODES)).items
    up = [one for one in nodes if not rollout.is_down(one)]
    await _agents_gone(client, {one.metadata.name for one in up})
    left = [f"node {one.metadata.name}: is down" for one in nodes if rollout.is_down(one)]
    left += await _restore(
        client, [restore_pods.restore_pod(one.metadata.name, image_name) for one in up], report, patience
    )
    await _end_by_force(client, report)
    await cluster_objects.delete(client, (one for one in objects if one not in (*agents, *served)), report)
    if any(one.key.name == controller_deployment.NAME for one in served):
        # Without rights: a controller may go on running on a node that is down.
        await balancer_cleanup.release(client, report)
    await _namespace_gone(client)  # which waits for load balancers in it
    if not left:  # else this is run again, and has to know the image then
        await cluster_objects.delete(client, (LEASE, revisions.config_map({})), report)
    return left


def _labels(one: Manifest) -> dict[str, str]:
    labels: dict[str, str] = one.body["metadata"].get("labels") or {}
    return labels


async def _report_pods(client: Client, report: Report) -> None:
    pods = (await client.list(POD_STATES)).items
    own = {one.key for one in pods if COMPONENT_LABEL in one.metadata.labels or one.metadata.namespace == PROXIES}
    losing = [one for one in pods if not one.spec.host_network and one.key not in own]
    if losing:
        report(
            f"{len(losing)} pods lose their network, and end only when the cluster has another: {losing[0].key}, ..."
        )


async def _dns_gone(client: Client) -> None:
    """Wait for the pods of DNS, for a time: those of a node that is down stay."""

    async def gone() -> bool:
        return not await pods_of(client, dns_deployment.COMPONENT)

    await until(gone, DNS_SECONDS)


async def _end_by_force(client: Client, report: Report) -> None:
    """Delete DNS pods that could not end, as no agent was left to take their network down ('helm uninstall')."""
    for pod in await pods_of(client, dns_deployment.COMPONENT):
        await client.delete(POD_STATES, pod.key, uid=pod.metadata.uid, grace_seconds=0)
        report(f"pod {pod.key} deleted without waiting for its node")


async def _agents_gone(client: Client, nodes: set[str]) -> None:
    """Wait until no agent runs on these nodes: it would write again what is removed. Raises InstallError."""
    agents: list[PodState] = []

    async def gone() -> bool:
        agents[:] = [one for one in await pods_of(client, agent_daemon_set.COMPONENT) if one.spec.node_name in nodes]
        return not agents

    if not await until(gone):
        names = ", ".join(f"{one.key} on {one.spec.node_name}" for one in agents)
        raise InstallError(f"these agents do not end: {names}; see 'kubectl describe' of them, then run this again")


async def _namespace_gone(client: Client) -> None:
    """Wait for the end of podwire's namespaces, for a time: no object can be made there meanwhile."""

    async def gone() -> bool:
        for name in OWN_NAMESPACES:
            try:
                await client.get(kinds.NAMESPACES, NamespacedName("", name))
            except ApiError as error:
                if error.code != 404:
                    raise
            else:
                return False
        return True

    await until(gone)


async def _restore(client: Client, pods: Sequence[Manifest], report: Report, patience: float) -> list[str]:
    """Run these pods, one on each node; return what failed. They are deleted, those that failed too."""
    nodes = {one.body["spec"]["nodeName"] for one in pods}
    try:
        await cluster_objects.delete(client, pods, lambda _: None)
        await _gone(client, pods)
        await cluster_objects.apply(client, pods, lambda _: None)
        return await _outcomes(client, nodes, report, patience)
    finally:
        await cluster_objects.delete(client, pods, lambda _: None)


async def _gone(client: Client, pods: Iterable[Manifest]) -> None:
    """Wait until pods of an earlier attempt are gone. Raises InstallError."""
    names = {one.key for one in pods}

    async def gone() -> bool:
        return not names & {one.key for one in await pods_of(client, restore_pods.COMPONENT)}

    if not await until(gone):
        raise InstallError(f"pods of an earlier attempt do not end: delete {', '.join(map(str, sorted(names)))}")


async def _outcomes(client: Client, nodes: set[str], report: Report, patience: float) -> list[str]:
    """Wait for the pod of each node; return what failed."""
    results: dict[str, str] = {}

    async def complete() -> bool:
        for pod in await pods_of(client, restore_pods.COMPONENT):
            node, result = pod.spec.node_name, restore_pods.outcome(pod)
            if node not in nodes or node in results or result is None:
                continue
            results[node] = result
            if not result:
                report(f"node {node}: restored")
        return results.keys() >= nodes

    await until(complete, patience)
    late = dict.fromkeys(sorted(nodes - results.keys()), f"its pod has not ended within {patience:.0f} s")
    return [f"node {node}: {result}" for node, result in (results | late).items() if result]
