"""What is derived again when something that it reads has changed, and what routes and policies show of themselves."""

from __future__ import annotations

from typing import Protocol

import msgspec

from podwire.edge.gateway.kinds.references import BackendObjectReference, ParentReference
from podwire.kube.meta import NamespacedName, ObjectMeta


class Owner(msgspec.Struct, frozen=True, order=True):
    """An object whose part of the model, or whose status, may be different now.

    `kind` is GatewayClass, Gateway, ListenerSet, a kind of route, Service (its endpoints) or BackendTLSPolicy.
    """

    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        return NamespacedName(self.namespace, self.name)


def owner(kind: str, key: NamespacedName) -> Owner:
    """Return the owner that this object is."""
    return Owner(kind, key.namespace, key.name)


class AnyRouteSpec(Protocol):
    """What routes of all kinds have."""

    @property
    def parent_refs(self) -> tuple[ParentReference, ...]:
        """What it is attached to, as written."""

    @property
    def hostnames(self) -> tuple[str, ...]:
        """The hosts that it is for; none: all."""

    @property
    def use_default_gateways(self) -> str | None:
        """The scope of the default Gateways that it is attached to beside its parents; absent: none."""


class AnyRoute(Protocol):
    """A route of any kind."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its metadata."""

    @property
    def key(self) -> NamespacedName:
        """Its name."""

    @property
    def spec(self) -> AnyRouteSpec:
        """The desired state."""

    @property
    def backends(self) -> tuple[BackendObjectReference, ...]:
        """All backends of its rules, mirrors and authorization services, as written."""


class AnyPolicy(Protocol):
    """A policy of TLS towards backends."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its metadata."""

    @property
    def key(self) -> NamespacedName:
        """Its name."""

    @property
    def services(self) -> tuple[NamespacedName, ...]:
        """The Services that it is for."""

    @property
    def config_maps(self) -> tuple[NamespacedName, ...]:
        """The ConfigMaps with its authorities."""
