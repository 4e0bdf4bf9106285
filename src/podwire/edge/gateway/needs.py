"""What each object refers to: the keys of the reverse indexes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.edge.gateway.kinds.gateway import FrontendValidation, Gateway, GatewayTls, Listener
from podwire.edge.gateway.kinds.gateway_class import GatewayClass
from podwire.edge.gateway.kinds.listener_set import ListenerSet
from podwire.edge.gateway.kinds.reference_grant import ReferenceGrant
from podwire.edge.gateway.kinds.references import ALL
from podwire.kube.discovery import EndpointSlice
from podwire.kube.gateway_api import GROUP

if TYPE_CHECKING:
    from podwire.edge.gateway.owners import AnyPolicy, AnyRoute
    from podwire.kube.meta import NamespacedName


class Need(msgspec.Struct, frozen=True):
    """A key that owners depend on.

    `kind` is that of the object named, which routes, Gateways and classes refer to, or: `policies` and `slices`, the
    BackendTLSPolicies and EndpointSlices of the Service named; `attached`, the routes whose parent it is; `sets`, the
    ListenerSets of the Gateway named; `grants`, the ReferenceGrants in the namespace; `into`, permission to refer into
    it; `in`, its labels; `default`, the default Gateways of the scope named, and `defaulted`, the routes that use them.
    """

    kind: str
    namespace: str
    name: str


DEFAULT, DEFAULTED = Need("default", "", ALL), Need("defaulted", "", ALL)


def of(kind: str, key: NamespacedName) -> Need:
    """Return the need of an object."""
    return Need(kind, key.namespace, key.name)


def of_object(kind: str, value: Any) -> Iterator[Need]:
    """Return what an object of the kind refers to, whether it exists or not."""
    match value:
        case GatewayClass():
            yield from _of_class(value)
        case Gateway():
            yield from _of_gateway(value)
        case ListenerSet():
            yield from _of_listener_set(value)
        case EndpointSlice():
            yield of("slices", value.service)
        case ReferenceGrant():
            yield Need("grants", value.metadata.namespace, "")
        case _:
            if kind == "BackendTLSPolicy":
                yield from _of_policy(value)
            elif kind.endswith("Route"):
                yield from _of_route(value)


def validations(tls: GatewayTls) -> Iterator[FrontendValidation]:
    """Return the client validations of a Gateway, that of the default first."""
    if tls.frontend:
        for one in (tls.frontend.default, *(port.tls for port in tls.frontend.per_port)):
            if one.validation:
                yield one.validation


def _of_class(value: GatewayClass) -> Iterator[Need]:
    reference = value.spec.parameters_ref
    if reference and (reference.group, reference.kind) == ("", "ConfigMap"):
        yield Need("ConfigMap", reference.namespace, reference.name)


def _of_gateway(value: Gateway) -> Iterator[Need]:
    namespace = value.metadata.namespace
    yield Need("GatewayClass", "", value.spec.gateway_class_name)
    if value.spec.is_default:
        yield DEFAULT
    reference = value.spec.infrastructure.parameters_ref
    if reference and (reference.group, reference.kind) == ("", "ConfigMap"):
        yield Need("ConfigMap", namespace, reference.name)
    yield from _of_listeners(namespace, value.spec.listeners)
    backend = value.spec.tls.backend
    if backend and backend.client_certificate_ref and backend.client_certificate_ref.is_secret:
        yield from _referred("Secret", namespace, backend.client_certificate_ref.key(namespace))
    for validation in validations(value.spec.tls):
        for authority in validation.ca_certificate_refs:
            if authority.is_config_map:
                yield from _referred("ConfigMap", namespace, authority.key(namespace))


def _of_listener_set(value: ListenerSet) -> Iterator[Need]:
    namespace, parent = value.metadata.namespace, value.spec.parent_ref
    yield Need("in", namespace, "")
    if (parent.parent_group, parent.parent_kind) == (GROUP, "Gateway"):
        yield of("sets", parent.key(namespace))
    yield from _of_listeners(namespace, value.spec.listeners)


def _of_listeners(namespace: str, listeners: tuple[Listener, ...]) -> Iterator[Need]:
    for listener in listeners:
        for reference in listener.tls.certificate_refs if listener.tls else ():
            if reference.is_secret:
                yield from _referred("Secret", namespace, reference.key(namespace))


def _of_policy(value: AnyPolicy) -> Iterator[Need]:
    yield from (of("policies", key) for key in value.services)
    yield from (of("ConfigMap", key) for key in value.config_maps)


def _of_route(value: AnyRoute) -> Iterator[Need]:
    namespace = value.metadata.namespace
    yield Need("in", namespace, "")
    if value.spec.use_default_gateways == ALL:
        yield DEFAULTED
    for parent in value.spec.parent_refs:
        if parent.parent_group == GROUP:
            yield of(parent.parent_kind, parent.key(namespace))
        elif parent.is_service:
            key = parent.key(namespace)
            yield of("attached", key)
            yield Need("in", key.namespace, "")
    for backend in value.backends:
        if backend.is_service:
            yield from _referred("Service", namespace, backend.key(namespace))


def _referred(kind: str, namespace: str, key: NamespacedName) -> Iterator[Need]:
    yield of(kind, key)
    if key.namespace != namespace:
        yield Need("into", key.namespace, "")
