"""Tokens of a pod's ServiceAccount: requested from the API server, and again long before they expire.

Source: k8s.io/kubernetes `pkg/kubelet/token/token_manager.go`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping

import aiohttp

from podwire.kube.client import ApiError, Client
from podwire.kube.core import Pod
from podwire.kube.kinds import SERVICE_ACCOUNTS
from podwire.kube.meta import NamespacedName
from podwire.kube.volumes import ServiceAccountTokenProjection

RENEWED_AFTER = 0.8
"""The part of its life after which a token is replaced."""

LONGEST_USE_SECONDS = 24 * 3600.0


RETRY_SECONDS = 1.0


class PodTokens:
    """The tokens of one pod by audience and lifetime. They are in no file of the node but the pod's own volumes.

    `poke` is called when it is time to refresh them again.
    """

    def __init__(self, client: Client, poke: Callable[[], None]) -> None:
        self._client = client
        self._poke = poke
        self._timer: asyncio.TimerHandle | None = None
        self._texts: dict[tuple[str, int], str] = {}
        self._due: dict[tuple[str, int], float] = {}

    @property
    def texts(self) -> Mapping[tuple[str, int], str]:
        """The tokens as they are now."""
        return self._texts

    async def refresh(self, pod: Pod) -> str:
        """Request the tokens that are missing or due; return why that failed, else an empty text."""
        trouble = ""
        try:
            for desired in projections(pod):
                key = desired.audience, desired.expiration_seconds
                if time.time() >= self._due.get(key, 0.0):
                    self._texts[key], self._due[key] = await self._request(pod, desired)
        except (ApiError, OSError, aiohttp.ClientError) as error:
            trouble = f"no token of ServiceAccount {account(pod)}: {error}"
        self.stop()
        if trouble or self._due:
            delay = RETRY_SECONDS if trouble else min(self._due.values()) - time.time()
            self._timer = asyncio.get_running_loop().call_later(max(delay, RETRY_SECONDS), self._poke)
        return trouble

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def _request(self, pod: Pod, desired: ServiceAccountTokenProjection) -> tuple[str, float]:
        """A token, and when it should be replaced."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
        spec = {
            "audiences": [desired.audience] if desired.audience else [],
            "expirationSeconds": desired.expiration_seconds,
            "boundObjectRef": bound,
        }
        now = time.time()
        made = await self._client.request_token(SERVICE_ACCOUNTS, account(pod), spec)
        lifetime = made.expiration_timestamp.timestamp() - now
        return made.token, now + min(lifetime * RENEWED_AFTER, LONGEST_USE_SECONDS)


def account(pod: Pod) -> NamespacedName:
    """Return the ServiceAccount of a pod."""
    return NamespacedName(pod.metadata.namespace, pod.spec.service_account_name or "default")


def projections(pod: Pod) -> Iterator[ServiceAccountTokenProjection]:
    """Yield the token sources of the pod's volumes."""
    for volume in pod.spec.volumes:
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.service_account_token is not None:
                yield source.service_account_token
