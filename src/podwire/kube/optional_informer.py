"""An informer of a kind that some API servers do not serve."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Generic, TypeVar

import aiohttp

from podwire.kube.access_problem import access_problem
from podwire.kube.backoff import Backoff
from podwire.kube.client import ApiError
from podwire.kube.informer import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, RETRY_GROWTH, Informer
from podwire.kube.meta import NamespacedName, Object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.kube.watch import Change

ObjectT = TypeVar("ObjectT", bound=Object)

log = logging.getLogger(__name__)

RETRY_NOT_SERVED_SECONDS = 60.0
"""An upgrade of the API server, or a role that is given later, makes the kind readable while this process runs."""
NOT_SERVED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""The server does not know the kind, or does not let this client read it."""


ABSENT = frozenset({HTTPStatus.NOT_FOUND})
"""The server does not know the kind."""


class OptionalInformer(Generic[ObjectT]):
    """Follows a kind where it is served; elsewhere there are no objects. `synced` is set in both cases.

    `not_served`: answers that mean that there are no objects. Where objects restrict something, that is ABSENT alone: a
    kind that may not be read is not synced then. `problem` is the reason, for a caller that must not go on.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind[ObjectT],
        retry_seconds: float = RETRY_NOT_SERVED_SECONDS,
        *,
        label_selector: str = "",
        not_served: frozenset[HTTPStatus] = NOT_SERVED,
    ) -> None:
        self.problem = ""
        self._retry_seconds = retry_seconds
        self._not_served = not_served
        self._client = client
        self._kind = kind
        self._informer = Informer(client, kind, label_selector=label_selector)
        self.synced = self._informer.synced

    @property
    def objects(self) -> Mapping[NamespacedName, ObjectT]:
        """All objects by namespace and name. Do not keep it."""
        return self._informer.objects

    def restore(self, items: Iterable[Object]) -> None:
        """Take objects as they were known before, while the server is away: its whole state takes their place."""
        self._informer.restore(items)

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Call the listener for every change, and at once for each known object as a new one."""
        self._informer.subscribe(listener)

    async def run(self) -> None:
        """Follow the server until cancelled; where the kind is not served, try again now and then."""
        reported = False
        while not await self._is_served(reported=reported):
            self.synced.set()
            reported = True
            await asyncio.sleep(self._retry_seconds)
        await self._informer.run()

    async def _is_served(self, *, reported: bool) -> bool:
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, RETRY_GROWTH)
        while True:
            try:
                await self._client.list(self._kind, limit="1")
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                code = error.code if isinstance(error, ApiError) else 0
                if isinstance(error, ApiError) and code in self._not_served:
                    self.problem = ""
                    self._log_absence(error, reported=reported)
                    return False
                if isinstance(error, ApiError) and code in NOT_SERVED:
                    self.problem = str(access_problem(error, self._kind, self._client.role))
                delay = backoff.step()
                log.warning("%s: %s; trying again in %.1f s", self._kind.resource, self.problem or error, delay)
                await asyncio.sleep(delay)
            else:
                self.problem = ""
                return True

    def _log_absence(self, error: ApiError, *, reported: bool) -> None:
        level = logging.WARNING if error.code == HTTPStatus.FORBIDDEN else logging.INFO
        problem = access_problem(error, self._kind, self._client.role)
        log.log(logging.DEBUG if reported else level, "%s are left out: %s", self._kind.resource, problem)
