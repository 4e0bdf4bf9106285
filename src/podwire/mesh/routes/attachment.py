"""Which ports of Services a route is attached to, by each of its references to a Service. Pure.

Source: gateway-api v1.6.3 `shared_types.go` (ParentReference), GEP-1294.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.edge.gateway.kinds.references import ParentReference
from podwire.kube.meta import NamespacedName
from podwire.mesh.routes.frontends import Frontend, has_address, selected
from podwire.redirection.enrolment import enrolled, service_enrolled

if TYPE_CHECKING:
    from podwire.edge.gateway.objects import Objects
    from podwire.edge.gateway.owners import AnyRoute, Owner

KINDS = ("GRPCRoute", "HTTPRoute")
"""Kinds of routes that a Service can have; of two kinds on one port the first is in force (GEP-1294, Route types)."""


class ServiceAttachment(msgspec.Struct, frozen=True):
    """One reference to a Service. `reason` is `Accepted` where it is attached to some port."""

    reference: ParentReference
    service: NamespacedName
    frontends: tuple[Frontend, ...] = ()
    reason: str = "Accepted"
    message: str = ""


def attachments(route: AnyRoute, owner: Owner, objects: Objects) -> tuple[ServiceAttachment, ...]:
    """Return the route's references to Services that the mesh carries, in their order."""
    return tuple(
        _attachment(one, owner, objects)
        for one in route.spec.parent_refs
        if one.is_service and is_carried(one.key(owner.namespace), owner.namespace, objects)
    )


def is_carried(service: NamespacedName, client: str, objects: Objects) -> bool:
    """Whether connections to a Service from a namespace are carried: the Service is enrolled, or the namespace is.

    A Service that is disabled is never carried; of one that does not exist its namespace decides.
    """
    found = objects.services.get(service)
    labels = found.metadata.labels if found is not None else {}
    if enrolled(labels) is False:
        return False
    own, other = objects.namespace_labels(service.namespace), objects.namespace_labels(client)
    return service_enrolled(labels, own) or bool(enrolled(other))


def _attachment(reference: ParentReference, owner: Owner, objects: Objects) -> ServiceAttachment:
    key = reference.key(owner.namespace)

    def refused(reason: str, message: str) -> ServiceAttachment:
        return ServiceAttachment(reference, key, (), reason, message)

    service = objects.services.get(key)
    if service is None:
        return refused("NoMatchingParent", f"Service {key} does not exist: create it or change parentRefs")
    if not has_address(service):
        kind = "of type ExternalName" if service.spec.type == "ExternalName" else "headless"
        message = f"Service {key} is {kind}, so no connection is to an address of its own: give it a cluster IP"
        return refused("UnsupportedValue", message)
    client = owner.namespace if owner.namespace != key.namespace else ""
    found = selected(service, reference, client)
    if not found:
        ports = ", ".join(
            f"{one.port} ({one.name or 'no name'})" for one in service.spec.ports if one.protocol == "TCP"
        )
        message = f"Service {key} has no TCP port for port and sectionName: its ports are {ports or 'none'}"
        return refused("NoMatchingParent", message)
    return ServiceAttachment(reference, key, found)
