"""Which listeners a route is attached to, by each of its references to a parent. Pure.

Source: gateway-api v1.6.3 `shared_types.go` (RouteConditionReason).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.domains import domains_of
from podwire.edge.gateway.kinds.references import ALL, ParentReference
from podwire.kube.gateway_api import GROUP
from podwire.kube.hostnames import ANY, intersection
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.gateway.objects import Objects
    from podwire.edge.gateway.owners import AnyRoute, Owner

States = Callable[[NamespacedName], tuple[ListenerState, ...]]
"""The listeners of a Gateway, with those of its ListenerSets."""


class AttachedListener(msgspec.Struct, frozen=True):
    """A listener with the domains that the route has there; none where other listeners fit them better."""

    state: ListenerState
    domains: tuple[str, ...] = ()


class Attachment(msgspec.Struct, frozen=True):
    """One reference to a parent of this controller. `reason` is `Accepted` where it is attached."""

    reference: ParentReference
    gateway: NamespacedName
    listeners: tuple[AttachedListener, ...]
    reason: str = "Accepted"
    message: str = ""


def attachments(
    route: AnyRoute, owner: Owner, hostnames: tuple[str, ...], objects: Objects, states: States
) -> tuple[Attachment, ...]:
    """Return the route's references to Gateways and ListenerSets of this controller, in their order.

    Then those to default Gateways that it uses and does not refer to.
    """
    found = []
    for reference in (*route.spec.parent_refs, *_defaults(route, objects)):
        gateway = _gateway(reference, owner.namespace, objects)
        if gateway is not None:
            found.append(_attachment(reference, owner, hostnames, objects, states(gateway), gateway))
    return tuple(found)


def _defaults(route: AnyRoute, objects: Objects) -> Iterator[ParentReference]:
    """Yield references to the default Gateways, as if they were written (GEP-3793)."""
    if route.spec.use_default_gateways != ALL:
        return
    namespace = route.metadata.namespace
    written = {
        one.key(namespace)
        for one in route.spec.parent_refs
        if (one.parent_group, one.parent_kind) == (GROUP, "Gateway")
    }
    for key in objects.default_gateways():
        if key not in written:
            yield ParentReference(key.name, GROUP, "Gateway", key.namespace)


def _gateway(reference: ParentReference, namespace: str, objects: Objects) -> NamespacedName | None:
    if reference.parent_group != GROUP:
        return None
    key = reference.key(namespace)
    if reference.parent_kind == "ListenerSet":
        listener_set = objects.listener_sets.get(key)
        if listener_set is None:
            return None
        key = listener_set.spec.parent_ref.key(key.namespace)
    elif reference.parent_kind != "Gateway":
        return None
    gateway = objects.gateways.get(key)
    return key if gateway is not None and objects.is_ours(gateway) else None


def _attachment(
    reference: ParentReference,
    owner: Owner,
    hostnames: tuple[str, ...],
    objects: Objects,
    states: tuple[ListenerState, ...],
    gateway: NamespacedName,
) -> Attachment:
    def refused(reason: str, message: str) -> Attachment:
        return Attachment(reference, gateway, (), reason, message)

    parent = (reference.parent_kind, reference.key(owner.namespace))
    fitting = [one for one in states if (one.parent.kind, one.parent.key) == parent and one.fits(reference)]
    if not fitting:
        return refused("NoMatchingParent", f"{parent[0]} {parent[1]} has no listener for sectionName and port")
    labels = objects.namespace_labels(owner.namespace)
    admitting = [one for one in fitting if owner.kind in one.kinds and one.admits(owner.namespace, labels)]
    if not admitting:
        message = f"no listener of {parent[0]} {parent[1]} admits a {owner.kind} of namespace {owner.namespace}"
        return refused("NotAllowedByListeners", f"{message}: see its allowedRoutes")
    attached = tuple(filter(None, (_attached(one, states, hostnames) for one in admitting)))
    if not attached:
        return refused("NoMatchingListenerHostname", f"hostnames: none is one of {parent[0]} {parent[1]}'s listeners")
    return Attachment(reference, gateway, attached)


def _attached(
    state: ListenerState, states: tuple[ListenerState, ...], hostnames: tuple[str, ...]
) -> AttachedListener | None:
    if state.protocol in ("TCP", "UDP"):
        return AttachedListener(state, (ANY,))
    port = [one for one in states if one.gateway_port == state.gateway_port and one.is_accepted]
    desired = hostnames or (ANY,)
    if all(intersection(state.hostname, one.lower()) is None for one in desired):
        return None
    return AttachedListener(state, domains_of(state, port or [state], hostnames))
