"""The node's heartbeat: a Lease in kube-node-lease that its kubelet renews."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import aiohttp

from podwire.kube.client import ApiError, Client
from podwire.kube.coordination import NODE_LEASES
from podwire.kube.lease_heartbeat import Heartbeat
from podwire.kube.meta import NamespacedName

log = logging.getLogger(__name__)

RENEW_SECONDS = 3.0
DURATION_SECONDS = 10
RETRY_SECONDS = 0.5
PROGRESS_SECONDS = 1.0
HUNG_SECONDS = 30.0
"""A kubelet whose event loop did nothing for so long does not count as alive."""


class NodeLease:
    """Renews the Lease of one node, at a fixed rate, while `alive` returns True."""

    def __init__(self, client: Client, node: str, alive: Callable[[], bool] = lambda: True) -> None:
        self._client = client
        self._node = node
        self._alive = alive
        self._heartbeat = Heartbeat(NamespacedName(NODE_LEASES, node), node, DURATION_SECONDS)

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            started = time.monotonic()
            try:
                if self._alive():
                    await self._heartbeat.renew(self._client)
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("lease of node %s: %s; again in %.1f s", self._node, error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.sleep(max(RETRY_SECONDS, started + RENEW_SECONDS - time.monotonic()))


class LeaseThread:
    """Renews the Lease in a thread, so that a kubelet which starts many pods at once is not taken for dead.

    `client` is used by the thread only, which opens and closes it.
    """

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._lease = NodeLease(client, node, self._progresses)
        self._progress = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Renew until cancelled; the thread has ended then. Raises RuntimeError when the thread ends by itself."""
        thread = threading.Thread(target=self._work, name="node-lease", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                self._progress = time.monotonic()
                await asyncio.sleep(PROGRESS_SECONDS)
            raise RuntimeError("the thread that renews the node's Lease has failed: see the log")
        finally:
            if thread.is_alive():
                self._loop.call_soon_threadsafe(self._stop)
                thread.join()

    def _progresses(self) -> bool:
        return time.monotonic() - self._progress < HUNG_SECONDS

    def _work(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._renew())
            except asyncio.CancelledError:
                return

    async def _renew(self) -> None:
        self._task = asyncio.current_task()
        async with self._client:
            await self._lease.run()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:
            self._loop.call_soon(self._stop)
