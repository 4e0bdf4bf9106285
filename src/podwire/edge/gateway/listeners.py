"""The listeners of a Gateway and of the ListenerSets that it admits: whether and how each is in use. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` and `listenerset_types.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podwire.edge.gateway import tls_options
from podwire.edge.gateway.attached_listeners import ListenerState, Problem
from podwire.edge.gateway.certificates import Unresolved, authorities, certificate
from podwire.edge.gateway.conflicts import with_overlaps, without_conflicts
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.gateway import FrontendValidation, Gateway, Listener
from podwire.edge.gateway.kinds.listener_set import ListenerSet
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.model.tls import Certificate, ClientValidation, ServerTls
from podwire.kube.gateway_api import GROUP
from podwire.kube.meta import NamespacedName
from podwire.kube.selectors import matches

KINDS = {
    "HTTP": ("HTTPRoute", "GRPCRoute"),
    "HTTPS": ("HTTPRoute", "GRPCRoute"),
    "TLS": ("TLSRoute",),
    "TCP": ("TCPRoute",),
    "UDP": ("UDPRoute",),
}
"""The kinds of routes that listeners of a protocol take."""


def listener_states(gateway: Gateway, objects: Objects) -> tuple[ListenerState, ...]:
    """Return the Gateway's listeners in their order, then those of the sets that it admits, by their precedence."""
    own = [_state(gateway, owner("Gateway", gateway.key), one, objects) for one in gateway.spec.listeners]
    sets = [
        [_state(gateway, owner("ListenerSet", one.key), listener, objects) for listener in one.spec.listeners]
        for one in objects.listener_sets_of(gateway.key)
        if admits_set(gateway, one, objects)
    ]
    return with_overlaps(without_conflicts([own, *sets]))


def admits_set(gateway: Gateway, listener_set: ListenerSet, objects: Objects) -> bool:
    """Whether the Gateway's allowedListeners admits the ListenerSet; absent, it admits none."""
    namespaces, namespace = gateway.spec.allowed_listeners.namespaces, listener_set.metadata.namespace
    match namespaces.from_:
        case "All":
            return True
        case "Same":
            return namespace == gateway.metadata.namespace
        case "Selector":
            labels = objects.namespace_labels(namespace)
            return namespaces.selector is not None and matches(namespaces.selector, labels)
        case _:
            return False


def validation_of(gateway: Gateway, port: int) -> FrontendValidation | None:
    """Return how clients' certificates are verified on a port: by its own setting, else by the default."""
    frontend = gateway.spec.tls.frontend
    if frontend is None:
        return None
    own = next((one.tls for one in frontend.per_port if one.port == port), frontend.default)
    return own.validation


def _state(gateway: Gateway, parent: Owner, listener: Listener, objects: Objects) -> ListenerState:
    """Return the listener by itself, without regard to others."""
    kinds, kind_problems = _kinds(listener)
    namespaces = listener.allowed_routes.namespaces
    mode = (listener.tls.mode if listener.tls else None) or "Terminate"
    state = ListenerState(
        gateway=gateway.key,
        parent=parent,
        name=listener.name,
        port=listener.port,
        protocol=listener.protocol,
        hostname=(listener.hostname or "*").lower() if listener.protocol in ("HTTP", "HTTPS", "TLS") else "*",
        mode=mode if listener.protocol in ("HTTPS", "TLS") else "",
        kinds=kinds,
        from_namespaces=namespaces.from_ or "Same",
        selector=namespaces.selector,
    )
    problems = [*_protocol_problems(state), *kind_problems]
    if state.mode == "Terminate":
        state, tls_problems = _with_tls(state, gateway, listener, objects)
        problems += tls_problems
    return msgspec.structs.replace(state, problems=_joined(problems))


def _kinds(listener: Listener) -> tuple[tuple[str, ...], list[Problem]]:
    supported = KINDS.get(listener.protocol, ())
    desired = listener.allowed_routes.kinds
    if not desired:
        return supported, []
    known = [one.kind for one in desired if one.kind_group == GROUP and one.kind in supported]
    unknown = [
        f"{one.kind_group}/{one.kind}" for one in desired if one.kind_group != GROUP or one.kind not in supported
    ]
    if not unknown:
        return tuple(dict.fromkeys(known)), []
    message = (
        f"allowedRoutes.kinds: {', '.join(unknown)} is not supported for protocol {listener.protocol}: use "
        f"{' or '.join(supported) or 'no kinds'}"
    )
    return tuple(dict.fromkeys(known)), [Problem("ResolvedRefs", "False", "InvalidRouteKinds", message)]


def _protocol_problems(state: ListenerState) -> Iterable[Problem]:
    if state.protocol not in KINDS:
        message = f"protocol {state.protocol} is not supported: use {', '.join(sorted(KINDS))}"
        yield Problem("Accepted", "False", "UnsupportedProtocol", message)
    if state.protocol == "HTTPS" and state.mode != "Terminate":
        message = f"tls.mode {state.mode} is not supported for protocol HTTPS: use Terminate, or protocol TLS"
        yield Problem("Accepted", "False", "UnsupportedValue", message)


def _with_tls(
    state: ListenerState, gateway: Gateway, listener: Listener, objects: Objects
) -> tuple[ListenerState, list[Problem]]:
    """Return the listener with what it terminates TLS with, and what is not in order about that."""
    referrer = Referrer(state.parent.kind, state.parent.namespace)
    references = listener.tls.certificate_refs if listener.tls else ()
    resolved = [certificate(one, referrer, objects) for one in references]
    problems = [_unresolved("tls.certificateRefs", one) for one in resolved if isinstance(one, Unresolved)]
    if not references:
        message = "tls.certificateRefs is empty: refer to a Secret of type kubernetes.io/tls"
        problems.append(Problem("ResolvedRefs", "False", "InvalidCertificateRef", message))
    names = tuple(dict.fromkeys(one.name for one in resolved if isinstance(one, Certificate)))
    protocols = ("h2", "http/1.1") if state.protocol == "HTTPS" else ()
    settings = tls_options.parse(listener.tls.options if listener.tls else {})
    if isinstance(settings, str):
        problems.append(Problem("Accepted", "False", "UnsupportedValue", settings))
        settings = tls_options.TlsOptions()
    tls = ServerTls(
        certificates=names,
        minimum=settings.minimum,
        maximum=settings.maximum,
        cipher_suites=settings.cipher_suites,
        protocols=protocols,
    )
    validation = validation_of(gateway, state.port) if state.protocol == "HTTPS" else None
    if validation:
        tls, validation_problems = _with_validation(tls, validation, gateway.key, objects)
        problems += validation_problems
    return msgspec.structs.replace(state, tls=tls if names else None), problems


def _with_validation(
    tls: ServerTls, validation: FrontendValidation, gateway: NamespacedName, objects: Objects
) -> tuple[ServerTls, list[Problem]]:
    """Return the settings with the verification of clients' certificates, and what is not in order about it."""
    referrer = Referrer("Gateway", gateway.namespace)
    bundle, unresolved = authorities(validation.ca_certificate_refs, referrer, objects)
    field = "spec.tls.frontend: caCertificateRefs"
    problems = [_unresolved(field, one) for one in unresolved]
    if bundle is None:
        message = f"{field}: none is usable: {unresolved[0].message if unresolved else 'there is none: add one'}"
        return tls, [*problems, Problem("Accepted", "False", "NoValidCACertificate", message)]
    mode = ClientValidation(validation.mode or ClientValidation.REQUIRED)
    return msgspec.structs.replace(tls, authorities=bundle.name, validation=mode), problems


def _unresolved(field: str, one: Unresolved) -> Problem:
    return Problem("ResolvedRefs", "False", one.reason, f"{field}: {one.message}")


def _joined(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return one problem a type: the reason of the first, with all messages."""
    first: dict[str, Problem] = {}
    for one in problems:
        known = first.get(one.type)
        message = f"{known.message}; {one.message}" if known else one.message
        first[one.type] = msgspec.structs.replace(known or one, message=message)
    return tuple(first.values())
