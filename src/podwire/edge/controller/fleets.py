"""Keep the objects of each proxy: its Secret and its Deployment while some Gateway needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.edge.controller import fleet
from podwire.edge.controller.identity import Identity, provide_client
from podwire.kube.core import Pod
from podwire.kube.kinds import DEPLOYMENTS

if TYPE_CHECKING:
    from podwire.edge.controller.fleet import FleetSettings
    from podwire.edge.controller.live_objects import LiveObjects
    from podwire.edge.controller.owned_objects import OwnedObjects
    from podwire.kube.client import Client


class Fleets:
    """The Envoys of all proxies, written by the leader."""

    def __init__(self, client: Client, objects: LiveObjects, owned: OwnedObjects, settings: FleetSettings) -> None:
        self._client = client
        self._objects = objects
        self._owned = owned
        self._settings = settings

    def pods(self, proxy: str) -> tuple[Pod, ...]:
        """Return the proxy's pods that have an address."""
        return tuple(
            pod
            for pod in self._objects.pods.values()
            if pod.metadata.labels.get(fleet.PROXY_LABEL) == proxy and pod.status.pod_ips and not has_ended(pod)
        )

    async def provide(self, identity: Identity, proxy: str) -> None:
        """Create the Secret and the Deployment, or give them their form. Raises ApiError."""
        await provide_client(self._client, identity, proxy)
        key = fleet.name_of(proxy)
        current = self._objects.deployments.get(key)
        await self._owned.apply(DEPLOYMENTS, key, fleet.deployment(proxy, self._settings), current)

    async def remove(self, proxy: str) -> None:
        """Delete the Deployment; its pods drain. Raises ApiError."""
        current = self._objects.deployments.get(fleet.name_of(proxy))
        if current is not None:
            await self._owned.delete(DEPLOYMENTS, current)


def has_ended(pod: Pod) -> bool:
    """Whether none of its containers runs any more, nor will."""
    return pod.status.phase in {"Succeeded", "Failed"}
