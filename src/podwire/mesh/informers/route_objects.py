"""The objects that routes on Services are made from, and the policies of Services, kept by informers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from podwire.edge.controller.followed_objects import FollowedObjects
from podwire.edge.gateway.kinds.backend_tls_policy import BACKEND_TLS_POLICIES
from podwire.edge.gateway.kinds.grpc_route import GRPC_ROUTES
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.mesh.kinds.backend_policy import BACKEND_POLICIES, BACKEND_TRAFFIC_POLICIES
from podwire.mesh.routes.policies import KINDS as POLICY_KINDS
from podwire.mesh.routes.policies import Policies

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.meta import NamespacedName

KINDS = (HTTP_ROUTES, GRPC_ROUTES, BACKEND_TLS_POLICIES, BACKEND_POLICIES, BACKEND_TRAFFIC_POLICIES)
"""Kinds that an API server may serve; besides, Services, EndpointSlices and namespaces are followed."""


class RouteObjects:
    """`changed` receives the owners to derive again, `written` an object of which only the status has changed."""

    def __init__(
        self, client: Client, changed: Callable[[Iterable[Owner]], None], written: Callable[[Owner], None]
    ) -> None:
        self.objects = Objects(reads_config_maps=False)
        self.policies = Policies(self.objects)
        self._followed = FollowedObjects(client, self, KINDS, changed, written)

    def put(self, kind: str, value: Any) -> tuple[Owner, ...]:
        """Add or replace an object; return the owners to derive again."""
        return self.policies.put(kind, value) if kind in POLICY_KINDS else self.objects.put(kind, value)

    def remove(self, kind: str, key: NamespacedName) -> tuple[Owner, ...]:
        """Remove an object; return the owners to derive again."""
        return self.policies.remove(kind, key) if kind in POLICY_KINDS else self.objects.remove(kind, key)

    def referenced(self, kind: str) -> frozenset[NamespacedName]:  # noqa: ARG002  as a Store
        """Return no names: nodes read no Secrets and no ConfigMaps."""
        return frozenset()

    @property
    def is_synced(self) -> bool:
        """Whether every kind is known."""
        return self._followed.is_synced

    async def kinds_synced(self) -> None:
        """Return when every kind is known."""
        await self._followed.kinds_synced()

    async def synced(self) -> None:
        """Return when every kind is known, and each object that something refers to."""
        await self._followed.synced()

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        await self._followed.run()
