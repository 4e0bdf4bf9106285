"""Writes a pod's status to the API: only when it changed, the newest only, with retries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp

from podwire.kube.client import ApiError, Client
from podwire.kube.core import Pod
from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName
from podwire.lab.kubelet.pod_status import Status, patch

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 5.0


class StatusWriter:
    """Writes the status of one pod. `current` returns the pod and the status that it should have now."""

    def __init__(self, client: Client, key: NamespacedName, current: Callable[[], tuple[Pod, Status]]) -> None:
        self._client = client
        self._key = key
        self._current = current
        self._dirty = asyncio.Event()
        self._written: dict[str, Any] | None = None
        self._settled = asyncio.Event()

    def touch(self) -> None:
        """The status may have changed."""
        self._settled.clear()
        self._dirty.set()

    async def settle(self) -> None:
        """Return when the newest status is written, or the API does not have the pod any more."""
        await self._settled.wait()

    async def run(self) -> None:
        """Write until cancelled."""
        delay = FIRST_RETRY_SECONDS
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write()
                delay = FIRST_RETRY_SECONDS
            except (aiohttp.ClientError, OSError, TimeoutError, ApiError) as error:
                log.debug("status of %s: %s; again in %.2f s", self._key, error, delay)
                self._dirty.set()
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)
            if not self._dirty.is_set():
                self._settled.set()

    async def _write(self) -> None:
        body = patch(*self._current())
        if body == self._written:
            return
        try:
            await self._client.patch(PODS, self._key, body, "status")
        except ApiError as error:
            if error.code not in {404, 409, 422}:
                raise
            log.info("status of %s: %s", self._key, error)
        self._written = body
