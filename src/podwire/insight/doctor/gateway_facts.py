"""What is read of a cluster's Gateways: definitions, classes, Gateways, routes, Envoys and certificates."""

from __future__ import annotations

import msgspec

from podwire.insight.doctor.node_facts import Expiry
from podwire.kube.meta import Condition, NamespacedName, Object, Struct


class ParentReference(Struct, frozen=True):
    """What a route is attached to, as far as it is shown."""

    name: str = ""
    namespace: str = ""


class Parent(Struct, frozen=True):
    """What one controller wrote about one parent of a route."""

    controller_name: str = ""
    parent_ref: ParentReference = ParentReference()
    conditions: tuple[Condition, ...] = ()


class RouteStatus(Struct, frozen=True):
    """The status of a route of any kind."""

    parents: tuple[Parent, ...] = ()


class RouteReading(Object, frozen=True):
    """A route of any kind, without its rules."""

    status: RouteStatus = RouteStatus()


class ClassFact(msgspec.Struct, frozen=True):
    """A GatewayClass of podwire's controller."""

    name: str
    conditions: tuple[Condition, ...] = ()


class GatewayFact(msgspec.Struct, frozen=True):
    """A Gateway of such a class; `listeners` are the conditions by the listener's name."""

    key: NamespacedName
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[tuple[str, tuple[Condition, ...]], ...] = ()


class RouteFact(msgspec.Struct, frozen=True):
    """A route with what podwire's controller wrote."""

    kind: str
    key: NamespacedName
    parents: tuple[Parent, ...]


class EnvoyFact(msgspec.Struct, frozen=True):
    """A pod of a proxy; `trouble` is why it is not ready, empty where it is."""

    key: NamespacedName
    trouble: str = ""


class GatewayFacts(msgspec.Struct, frozen=True):
    """All of it.

    Attributes:
        releases: names of the definitions by release and channel, such as `v1.6.3 standard`.
        is_installed: whether podwire's gateway controller is there.
        classes: those of podwire's controller.
        gateways: those of these classes.
        routes: those about which podwire's controller wrote something.
        envoys: pods of all proxies.
        certificates: by the Secret that a Gateway refers to, the end of its certificate.
        unread: Secrets that this account may not read, or that are no certificate.

    """

    releases: dict[str, tuple[str, ...]] = {}
    is_installed: bool = False
    classes: tuple[ClassFact, ...] = ()
    gateways: tuple[GatewayFact, ...] = ()
    routes: tuple[RouteFact, ...] = ()
    envoys: tuple[EnvoyFact, ...] = ()
    certificates: tuple[tuple[str, Expiry], ...] = ()
    unread: dict[str, str] = {}
