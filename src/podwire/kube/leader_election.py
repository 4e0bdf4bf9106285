"""Leader election over the API: acquires a Lease, renews it while the leader works, releases it at the end."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import aiohttp

from podwire.kube.access_problem import AccessProblem, access_problem
from podwire.kube.client import ApiError
from podwire.kube.kinds import LEASES
from podwire.kube.leases import Election, State, Timing, Write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podwire.kube.client import Client
    from podwire.kube.coordination import Lease
    from podwire.kube.meta import NamespacedName

log = logging.getLogger(__name__)

EXPECTED_REASONS = frozenset({"Conflict", "AlreadyExists", "NotFound"})
"""Another candidate was faster, or the Lease is gone."""
JITTER = 1.2
"""Followers try again after up to this times the retry period, so that they do not all write at once."""


class LeaderElector:
    """One candidate for one Lease. `identity` must differ between all candidates, such as a pod's name and uid."""

    def __init__(self, client: Client, lease: NamespacedName, identity: str, timing: Timing | None = None) -> None:
        self._client = client
        self._lease = lease
        self._identity = identity
        self._timing = timing or Timing()
        self._election = Election(identity, self._timing)
        self.problem: AccessProblem | None = None
        """Why the Lease cannot be read or written; None where it can."""
        self._reported: AccessProblem | None = None

    @property
    def leading(self) -> bool:
        """Whether this process may act now."""
        return self._election.check(_now()) is State.LEADING

    async def run(self, work: Callable[[], Awaitable[None]], lost: Callable[[], None] = lambda: None) -> None:
        """Work whenever leadership is acquired, until cancelled; then release the Lease.

        When leadership is lost the work is cancelled, `lost` is called once it has ended, and the process follows
        again. The work must end within `duration - deadline` seconds of its cancellation: then another may lead.
        Returns when the work returns, and raises what it raises.
        """
        try:
            while True:
                self._election = Election(self._identity, self._timing)
                await self._acquire()
                log.info("leading by Lease %s as %s", self._lease, self._identity)
                if await self._lead(work):
                    return
                log.warning("leadership by Lease %s is lost", self._lease)
                lost()
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while True:
            await self._try()
            if self._election.check(_now()) is State.LEADING:
                return
            await asyncio.sleep(self._timing.retry * random.uniform(1, JITTER))  # noqa: S311 spreads load, no secret

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Work and renew. True when the work ended by itself, False when leadership was lost."""
        task = asyncio.ensure_future(work())
        renewal = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((task, renewal), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
                return True
            return False
        finally:
            for one in (task, renewal):
                one.cancel()
            await asyncio.gather(task, renewal, return_exceptions=True)

    async def _renew(self) -> None:
        """Return when leadership is lost."""
        while self._election.check(_now()) is State.LEADING:
            await asyncio.sleep(min(self._timing.retry, self._election.remaining(_now())))
            try:
                async with asyncio.timeout(self._election.remaining(_now())):
                    await self._try()
            except TimeoutError:
                log.debug("Lease %s: the server does not answer", self._lease)

    async def _try(self) -> None:
        """One try to acquire or renew. Errors of the API leave the state as it was."""
        started = _now()
        try:
            if self._election.state is State.FOLLOWING:
                self._election.observe(await self._get(), started)
            write = self._election.next_write(started)
            if write is not None:
                self._election.written(await self._put(write), started)
            self.problem = None
        except ApiError as error:
            self._failed(error)
            if error.reason in {"Conflict", "NotFound"} and self._election.state is State.LEADING:
                await self._observe()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Without rights no candidate ever leads: that is logged once, when it is still so at the next try.

        A kube-apiserver that has just started refuses everything for a moment.
        """
        log.debug("Lease %s: %r", self._lease, error)
        if isinstance(error, ApiError) and error.reason in EXPECTED_REASONS:
            return
        before = self.problem
        self.problem = access_problem(error, LEASES, self._client.role, "get, create and patch")
        if self.problem.is_persistent and self.problem == before and self.problem != self._reported:
            self._reported = self.problem
            log.error("Lease %s: %s", self._lease, self.problem)

    async def _observe(self) -> None:
        """After a conflict: another one wrote, and leads if it took the Lease."""
        try:
            self._election.observe(await self._get(), _now())
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("Lease %s: %r", self._lease, error)

    async def _release(self) -> None:
        write = self._election.release()
        if write is None:
            return
        try:
            async with asyncio.timeout(self._timing.retry):
                await self._put(write)
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.debug("Lease %s is not released: %r", self._lease, error)

    async def _get(self) -> Lease | None:
        try:
            return await self._client.get(LEASES, self._lease)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return None

    async def _put(self, write: Write) -> Lease:
        if write.version:
            return await self._client.patch(LEASES, self._lease, write.body())
        body = {"metadata": {"name": self._lease.name}, **write.body()}
        return await self._client.create(LEASES, body, self._lease.namespace)


def _now() -> float:
    return asyncio.get_running_loop().time()
