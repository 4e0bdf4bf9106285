"""Keep the objects of each proxy: its Secret and its Deployment while some Gateway needs it."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.edge.controller import fleet
from podwire.edge.controller.gateway_service import is_ready
from podwire.edge.controller.identity import Identity, provide_client, remove_client
from podwire.edge.gateway.gateway_proxy import INGRESS
from podwire.edge.gateway.parameters import Parameters
from podwire.kube.core import Pod
from podwire.kube.kinds import DEPLOYMENTS

if TYPE_CHECKING:
    from podwire.edge.controller.fleet import FleetSettings
    from podwire.edge.controller.live_objects import LiveObjects
    from podwire.edge.controller.owned_objects import OwnedObjects
    from podwire.kube.client import Client

CERTIFY_SECONDS = 60.0
"""Between two looks at a proxy's Secret, which may have been deleted or whose certificate becomes old."""
DEFAULTS = Parameters()


class Fleets:
    """The Envoys of all proxies, written by the leader."""

    def __init__(self, client: Client, objects: LiveObjects, owned: OwnedObjects, settings: FleetSettings) -> None:
        self._client = client
        self._objects = objects
        self._owned = owned
        self._settings = settings
        self._certified: dict[str, float] = {}

    def pods(self, proxy: str) -> tuple[Pod, ...]:
        """Return the proxy's pods that have an address."""
        return tuple(
            pod
            for pod in self._objects.pods.values()
            if pod.metadata.labels.get(fleet.PROXY_LABEL) == proxy and pod.status.pod_ips and not has_ended(pod)
        )

    def ready(self, proxy: str) -> frozenset[str]:
        """Return the names of the Envoys that serve: ready, and not about to end."""
        pods = self.pods(proxy)
        return frozenset(one.metadata.name for one in pods if is_ready(one) and not one.metadata.deletion_timestamp)

    async def provide(self, identity: Identity, proxy: str, parameters: Parameters = DEFAULTS) -> None:
        """Create the Secret and the Deployment, or give them their form. Raises ApiError."""
        await self._certify(identity, proxy)
        key = fleet.name_of(proxy)
        desired = fleet.deployment(proxy, fleet.settings_of(self._settings, parameters))
        await self._owned.apply(DEPLOYMENTS, key, desired, self._objects.deployments.get(key))

    async def certify(self, identity: Identity) -> None:
        """Replace the certificates of all proxies that are at half of their life. Raises ApiError."""
        for one in tuple(self._objects.deployments.values()):
            if not one.metadata.deletion_timestamp:
                await self._certify(identity, one.metadata.labels.get(fleet.PROXY_LABEL, ""))

    async def _certify(self, identity: Identity, proxy: str) -> None:
        """Read a proxy's Secret at most once in CERTIFY_SECONDS."""
        now = time.monotonic()
        if now < self._certified.get(proxy, -math.inf) + CERTIFY_SECONDS:
            return
        await provide_client(self._client, identity, proxy, datetime.now(UTC))
        self._certified[proxy] = now

    def proxies(self) -> frozenset[str]:
        """Return the proxies of Gateways that have a Deployment."""
        found = (one for one in self._objects.deployments.values() if not one.metadata.deletion_timestamp)
        return frozenset(one.metadata.labels.get(fleet.PROXY_LABEL, "") for one in found) - {INGRESS}

    async def remove(self, proxy: str) -> None:
        """Delete the objects of a proxy; its Envoys drain. Raises ApiError."""
        deployment = self._objects.deployments.get(fleet.name_of(proxy))
        if deployment is not None:
            await self._owned.delete(DEPLOYMENTS, deployment)
        self._certified.pop(proxy, None)
        await remove_client(self._client, proxy)


def has_ended(pod: Pod) -> bool:
    """Whether none of its containers runs any more, nor will."""
    return pod.status.phase in {"Succeeded", "Failed"}
