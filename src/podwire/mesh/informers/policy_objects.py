"""Policies of authorization and of tokens, kept by informers, with the Services that declare which ports speak HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from podwire.kube.informer import Informer
from podwire.kube.kinds import SERVICES
from podwire.kube.optional_informer import ABSENT, OptionalInformer
from podwire.mesh.authorization import reading
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.kinds.authorization_policy import AUTHORIZATION_POLICIES, AuthorizationPolicy
from podwire.mesh.kinds.request_authentication import REQUEST_AUTHENTICATIONS, RequestAuthentication

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.services import Service

NOT_SERVED_SECONDS = 10.0
"""Until a kind that is not served is looked for again."""


class PolicyObjects:
    """Informers; `run` must run once. `changed` is called after each change of what `authorization` returns.

    There are no policies where their kind is not installed. Where it may not be read, nothing is known.
    """

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.services: Informer[Service] = Informer(client, SERVICES)
        self.policies: OptionalInformer[AuthorizationPolicy] = OptionalInformer(
            client, AUTHORIZATION_POLICIES, retry_seconds=NOT_SERVED_SECONDS, not_served=ABSENT
        )
        self.tokens: OptionalInformer[RequestAuthentication] = OptionalInformer(
            client, REQUEST_AUTHENTICATIONS, retry_seconds=NOT_SERVED_SECONDS, not_served=ABSENT
        )
        self._all: tuple[Informer[Any] | OptionalInformer[Any], ...] = (self.services, self.policies, self.tokens)
        for one in self._all:
            one.subscribe(lambda _: changed())

    @property
    def authorization(self) -> Authorization:
        """All policies, in the order of their names: a policy that cannot be read in full is closed where it denies."""
        policies = self.policies.objects
        tokens = self.tokens.objects
        return Authorization(
            tuple(reading.read(policies[key]).policy for key in sorted(policies)),
            tuple(reading.read_tokens(tokens[key]).policy for key in sorted(tokens)),
            tuple(self.services.objects.values()),
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """Why policies are not known, with the remedy."""
        return tuple(one.problem for one in (self.policies, self.tokens) if one.problem)

    async def synced(self) -> None:
        """Return when every kind is known."""
        for one in self._all:
            await one.synced.wait()

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for one in self._all:
                tasks.create_task(one.run())
