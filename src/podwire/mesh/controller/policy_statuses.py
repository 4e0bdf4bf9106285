"""The status of policies of authorization, of tokens and of transport."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp

from podwire.edge.gateway.owners import Owner
from podwire.kube.client import ApiError
from podwire.kube.optional_informer import ABSENT, OptionalInformer
from podwire.kube.status_writer import StatusWriter
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.status import authentication_status, authorization_status, transport_status
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.informers.policy_objects import NOT_SERVED_SECONDS, PolicyObjects
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES, AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES, TransportPolicy

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind
    from podwire.mesh.controller.node_reports import NodeReports

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.05
RETRY_SECONDS = 2.0


class PolicyStatuses:
    """`run` works in every replica, `lead` in the leader."""

    def __init__(self, client: Client, reports: NodeReports) -> None:
        self._client = client
        self._reports = reports
        reports.subscribe(lambda _: self._changed.set())
        self._changed = asyncio.Event()
        self.objects = PolicyObjects(client, self._changed.set)
        self._transport: OptionalInformer[TransportPolicy] = OptionalInformer(
            client, TRANSPORT_POLICIES, retry_seconds=NOT_SERVED_SECONDS, not_served=ABSENT
        )
        self._transport.subscribe(lambda _: self._changed.set())

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.objects.run())
            tasks.create_task(self._transport.run())

    async def lead(self) -> None:
        """Write the statuses that differ, until cancelled."""
        await self.objects.synced()
        await self._transport.synced.wait()
        self._changed.set()
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            try:
                await self._write_all()
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("statuses of policies: %s; again in %g s", error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()

    async def _write_all(self) -> None:
        now = datetime.now(UTC)
        services = tuple(self.objects.services.objects.values())
        for authorization in tuple(self.objects.policies.objects.values()):
            await self._write(
                AUTHORIZATION_POLICIES,
                authorization,
                lambda one: authorization_status(one, reading.read(one), services, now, self._refusal(one)),
            )
        for tokens in tuple(self.objects.tokens.objects.values()):
            await self._write(
                REQUEST_AUTHENTICATIONS, tokens, lambda one: authentication_status(one, reading.read_tokens(one), now)
            )
        transports: defaultdict[str, list[TransportPolicy]] = defaultdict(list)
        for transport in self._transport.objects.values():
            transports[transport.metadata.namespace].append(transport)
        for found in transports.values():  # those of other namespaces are no rivals
            derived = partial(transport_status, policies=Transport(tuple(found)), now=now)
            for transport in found:
                await self._write(TRANSPORT_POLICIES, transport, derived)

    def _refusal(self, policy: AuthorizationPolicy) -> str:
        owner = Owner(AUTHORIZATION_POLICIES.kind, policy.key.namespace, policy.key.name)
        return self._reports.refusal(owner, (one.message for one in policy.status.conditions))

    async def _write(self, kind: Kind[Any], item: Any, desired: Callable[[Any], Mapping[str, Any]]) -> None:
        if desired(item) and not item.metadata.deletion_timestamp:
            writer: StatusWriter[Any] = StatusWriter(self._client, kind)
            await writer.write(item, desired)
