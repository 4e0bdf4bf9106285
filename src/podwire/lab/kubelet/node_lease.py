"""The node's heartbeat: a Lease in kube-node-lease that its kubelet renews.

Source: kubernetes.io "Leases"; k8s.io/component-helpers `apimachinery/lease/controller.go`.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp

from podwire.kube.client import ApiError, Client
from podwire.kube.coordination import NODE_LEASES
from podwire.kube.kinds import LEASES
from podwire.kube.meta import NamespacedName

log = logging.getLogger(__name__)

RENEW_SECONDS = 3.0
DURATION_SECONDS = 10
RETRY_SECONDS = 0.5


class NodeLease:
    """Renews the Lease of one node."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            try:
                await self._renew()
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("lease of node %s: %s; again in %.1f s", self._node, error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self) -> None:
        spec = {
            "holderIdentity": self._node,
            "leaseDurationSeconds": DURATION_SECONDS,
            "renewTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        }
        try:
            await self._client.patch(LEASES, NamespacedName(NODE_LEASES, self._node), {"spec": spec})
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            await self._client.create(LEASES, {"metadata": {"name": self._node}, "spec": spec}, NODE_LEASES)
