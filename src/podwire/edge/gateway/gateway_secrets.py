"""The certificates and authorities that a Gateway needs in its proxy: towards clients, and towards backends. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` GatewayTLSConfig (GEP-91, GEP-3155).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.certificates import authorities, certificate
from podwire.edge.gateway.gateway_problems import backend_certificate
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.references import SecretObjectReference
from podwire.edge.gateway.listeners import validation_of
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.tls import Authorities, Certificate


def gateway_secrets(
    gateway: Gateway, states: Iterable[ListenerState], objects: Objects
) -> tuple[Certificate | Authorities, ...]:
    """Return all secrets of a Gateway, each once: those that its listeners name, and the one for backends."""
    found: dict[str, Certificate | Authorities] = {}
    for state in states:
        found |= {one.name: one for one in _of_listener(gateway, state, objects)}
    own = backend_certificate(gateway, objects)
    if isinstance(own, Certificate):
        found[own.name] = own
    return tuple(found.values())


def identity_of(gateway: Gateway, objects: Objects) -> str:
    """Return the name of the certificate that the Gateway shows to backends; empty where it has no valid one."""
    found = backend_certificate(gateway, objects)
    return found.name if isinstance(found, Certificate) else ""


def _of_listener(gateway: Gateway, state: ListenerState, objects: Objects) -> Iterator[Certificate | Authorities]:
    if state.tls is None:
        return
    referrer = Referrer(state.parent.kind, state.parent.namespace)
    for reference in _references(gateway, state, objects):
        pair = certificate(reference, referrer, objects)
        if isinstance(pair, Certificate):
            yield pair
    validation = validation_of(gateway, state.port)
    if validation is not None and state.tls.authorities:
        own = Referrer("Gateway", gateway.metadata.namespace)
        bundle, _ = authorities(validation.ca_certificate_refs, own, objects)
        if bundle is not None:
            yield bundle


def _references(gateway: Gateway, state: ListenerState, objects: Objects) -> Iterator[SecretObjectReference]:
    parent = gateway if state.parent.kind == "Gateway" else objects.listener_sets.get(state.parent.key)
    for listener in parent.spec.listeners if parent is not None else ():
        if listener.name == state.name and listener.tls is not None:
            yield from listener.tls.certificate_refs
