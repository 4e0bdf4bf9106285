"""The end of a pod: preStop hooks, SIGTERM, the grace period, SIGKILL, and its removal from the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import aiohttp

from podwire.kube.client import ApiError
from podwire.kube.core import Container
from podwire.kube.kinds import PODS
from podwire.lab.kubelet import pod_plan
from podwire.lab.kubelet.lifecycle_hooks import run_hook
from podwire.lab.kubelet.pod_context import PodContext
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimError

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 10.0
FORCED_GRACE_SECONDS = 1.0
DEFAULT_GRACE_SECONDS = 30


class PodTermination:
    """Ends one pod. `changed` is called when its status may have changed meanwhile."""

    def __init__(self, context: PodContext, changed: Callable[[], None]) -> None:
        self._context = context
        self._changed = changed

    @property
    def stopped(self) -> bool:
        """Whether the shim has stopped all containers for good."""
        return self._context.state.stopping and self._context.state.finished

    @property
    def grace_seconds(self) -> float:
        """The grace period: of the deletion, else of the spec."""
        pod = self._context.pod
        if self._context.gone:
            return FORCED_GRACE_SECONDS
        desired: int | None = pod.metadata.deletion_grace_period_seconds
        if not self._context.deleting:
            desired = pod.spec.termination_grace_period_seconds
        return float(DEFAULT_GRACE_SECONDS if desired is None else desired)

    async def stop(self, at_most: float | None = None) -> None:
        """Stop all containers: preStop, SIGTERM, the grace, SIGKILL. Return when nothing runs.

        A shorter grace may come meanwhile. `at_most` seconds bound the grace; 0 leaves out preStop hooks.
        """
        for name in self._context.records:
            if self._context.runs(name):
                self._context.emit(PodEvent("Killing", f"Stopping container {name}"))
        began = time.monotonic()
        if not self._context.state.stopping and at_most != 0:
            await self._run_pre_stop_hooks()
        spent = time.monotonic() - began
        while not self.stopped:
            grace = self.grace_seconds if at_most is None else min(at_most, self.grace_seconds)
            heard = await self._request_stop(max(grace - spent, FORCED_GRACE_SECONDS))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace + 1 if heard else FIRST_RETRY_SECONDS):
                    while not self.stopped and (at_most is not None or self.grace_seconds == grace):
                        await self._wait()

    async def _wait(self) -> None:
        await self._context.woken.wait()
        self._context.woken.clear()
        self._changed()

    async def _request_stop(self, grace_seconds: float) -> bool:
        """Return whether the shim took the request: one that has just been started does not listen yet."""
        try:
            await self._context.shim.request(messages.Stop(grace_seconds=grace_seconds))
        except (OSError, ShimError) as error:
            log.debug("stopping pod %s: %s", self._context.pod.key, error)
            return False
        return True

    async def _run_pre_stop_hooks(self) -> None:
        """Run the preStop hooks of what runs, side by side, at most for the grace period as it is by then."""
        running = [c for c in pod_plan.ordered(self._context.pod) if self._context.runs(c.name)]
        began = time.monotonic()
        done = asyncio.gather(*(self._pre_stop(container, self.grace_seconds) for container in running))
        while not done.done() and (left := began + self.grace_seconds - time.monotonic()) > 0:
            woken = asyncio.ensure_future(self._context.woken.wait())
            await asyncio.wait((done, woken), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            self._context.woken.clear()
            self._changed()
        done.cancel()
        self._context.poke()

    async def _pre_stop(self, container: Container, grace: float) -> None:
        if trouble := await run_hook(self._context.prober(container), container.lifecycle.pre_stop, grace):
            self._context.emit(PodEvent("FailedPreStopHook", f"PreStopHook failed: {trouble}", warning=True))

    async def kill(self, name: str, grace_seconds: float | None = None) -> None:
        """End one container, whose restart policy then decides. Without a grace it has the pod's."""
        grace = float(self._context.pod.spec.termination_grace_period_seconds)
        grace = grace if grace_seconds is None else float(grace_seconds)
        container = next(entry for entry in pod_plan.ordered(self._context.pod) if entry.name == name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._pre_stop(container, grace)
        with contextlib.suppress(OSError, ShimError):
            await self._context.shim.request(messages.Kill(container=name, grace_seconds=grace))

    async def delete(self) -> None:
        """Remove the pod from the API; not a later one of the same name. Retries until the API has answered."""
        context, delay = self._context, FIRST_RETRY_SECONDS
        while not context.gone:
            try:
                await context.node.client.delete(PODS, context.pod.key, uid=context.pod.metadata.uid, grace_seconds=0)
            except ApiError as error:
                if error.code in {404, 409}:
                    return
                log.warning("deleting pod %s: %s", context.pod.key, error)
            except (OSError, aiohttp.ClientError) as error:
                log.debug("deleting pod %s: %s", context.pod.key, error)
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)
