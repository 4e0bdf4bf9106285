"""kube-proxy out of the way, and back: its DaemonSet gets a node selector that no node has.

Its rules stay on the nodes when it ends, so Services go on; an agent with `--replace-kube-proxy` removes them when its
own are complete. The DaemonSet remains, so that going back needs nothing but the selector's removal.
"""

from __future__ import annotations

from typing import Any

from podwire.component import other_networks
from podwire.install.cluster_objects import InstallError, Report
from podwire.install.condition import PATIENCE_SECONDS, until
from podwire.install.pod_states import POD_STATES, PodState
from podwire.kube.apps import DaemonSet
from podwire.kube.client import Client
from podwire.kube.kinds import DAEMON_SETS
from podwire.kube.meta import NamespacedName


async def end(client: Client, report: Report) -> None:
    """End every kube-proxy and wait until its pods are gone. Raises InstallError."""
    found = [one for one in await _daemon_sets(client) if not other_networks.replaced(one)]
    for one in found:
        await client.patch(DAEMON_SETS, one.key, _selector("true"))
        report(f"daemonset {one.key} ended; its rules remain until podwire's are complete")
    for one in found:
        await _wait(client, one.key, running=False)


async def start(client: Client, report: Report) -> None:
    """Let every kube-proxy that podwire ended run again, and wait until its pods are ready. Raises InstallError."""
    found = [one for one in await _daemon_sets(client) if other_networks.replaced(one)]
    for one in found:
        await client.patch(DAEMON_SETS, one.key, _selector(None))
        report(f"daemonset {one.key} runs again")
    for one in found:
        await _wait(client, one.key, running=True)


def _selector(value: str | None) -> dict[str, Any]:
    """A merge patch: server-side apply would take the whole selector, which is one value for it."""
    return {"spec": {"template": {"spec": {"nodeSelector": {other_networks.REPLACED: value}}}}}


async def _daemon_sets(client: Client) -> list[DaemonSet]:
    return [one for one in (await client.list(DAEMON_SETS)).items if other_networks.is_kube_proxy(one)]


async def _wait(client: Client, key: NamespacedName, *, running: bool) -> None:
    pods: list[PodState] = []

    async def reached() -> bool:
        daemon_set = await client.get(DAEMON_SETS, key)
        pods[:] = [one for one in (await client.list(POD_STATES, key.namespace)).items if _owned(one, daemon_set)]
        if daemon_set.status.observed_generation < daemon_set.metadata.generation:
            return False
        expected = daemon_set.status.desired_number_scheduled
        return sum(one.ready for one in pods) >= expected if running else not pods

    if not await until(reached):
        names = ", ".join(f"{one.key} on {one.spec.node_name}" for one in pods if running != one.ready)
        raise InstallError(
            f"daemonset {key}: these pods are {'not ready' if running else 'not gone'} after {PATIENCE_SECONDS:.0f} s: "
            f"{names}; see 'kubectl -n {key.namespace} describe pods', then run this again"
        )


def _owned(pod: PodState, owner: DaemonSet) -> bool:
    return any(one.uid == owner.metadata.uid for one in pod.metadata.owner_references)
