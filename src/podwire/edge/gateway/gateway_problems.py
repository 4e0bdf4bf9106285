"""Conditions of a Gateway itself: its parameters and addresses, its certificate for backends, insecure modes. Pure.

Source: gateway-api v1.6.3 `gateway_types.go`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from podwire.edge.gateway import needs
from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.certificates import Unresolved, certificate
from podwire.edge.gateway.gateway_proxy import gateway_proxy
from podwire.edge.gateway.grants import Referrer
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.tls import Certificate, ClientValidation

IP_ADDRESS = "IPAddress"


def gateway_problems(gateway: Gateway, objects: Objects) -> tuple[Problem, ...]:
    """Return the conditions of the Gateway that are not in order whatever its listeners are; one a type."""
    accepted = gateway_proxy(gateway, objects).problem or next(_addresses(gateway), None)
    return (*((accepted,) if accepted else ()), *_client_certificate(gateway, objects), *_insecure(gateway))


def backend_certificate(gateway: Gateway, objects: Objects) -> Certificate | Unresolved | None:
    """Return the certificate that the Gateway shows to backends; None where it has none."""
    backend = gateway.spec.tls.backend
    if backend is None or backend.client_certificate_ref is None:
        return None
    referrer = Referrer("Gateway", gateway.metadata.namespace)
    return certificate(backend.client_certificate_ref, referrer, objects, "InvalidClientCertificateRef")


def desired_addresses(gateway: Gateway) -> tuple[str, ...]:
    """Return the addresses that the Gateway must have, in canonical form; empty: any.

    An address without value is satisfied by any address.
    """
    values = (one.value for one in gateway.spec.addresses if one.type in (None, IP_ADDRESS) and one.value)
    return tuple(str(ipaddress.ip_address(one)) for one in values if _is_address(one))


def unusable_addresses(gateway: Gateway, assigned: tuple[str, ...]) -> tuple[Problem, ...]:
    """Return the Programmed condition where an address that the Gateway must have is not among those it got."""
    missing = [one for one in desired_addresses(gateway) if one not in assigned]
    if not missing:
        return ()
    message = (
        f"spec.addresses: {', '.join(missing)} is not assigned: use an address of the load balancer's pools that no "
        "other Service has, or no value for any address"
    )
    return (Problem("Programmed", "False", "AddressNotUsable", message),)


def _addresses(gateway: Gateway) -> Iterator[Problem]:
    for index, one in enumerate(gateway.spec.addresses):
        if one.type not in (None, IP_ADDRESS):
            message = f"spec.addresses[{index}].type: {one.type} is not supported: use {IP_ADDRESS}"
        elif one.value and not _is_address(one.value):
            message = f"spec.addresses[{index}].value: {one.value} is no IP address: change it, or leave it out for any"
        else:
            continue
        yield Problem("Accepted", "False", "UnsupportedAddress", message)
        return


def _client_certificate(gateway: Gateway, objects: Objects) -> Iterator[Problem]:
    found = backend_certificate(gateway, objects)
    if isinstance(found, Unresolved):
        message = f"spec.tls.backend.clientCertificateRef: {found.message}"
        yield Problem("ResolvedRefs", "False", found.reason, message)


def _insecure(gateway: Gateway) -> Iterator[Problem]:
    if any(one.mode == ClientValidation.OPTIONAL for one in needs.validations(gateway.spec.tls)):
        message = (
            "spec.tls.frontend: mode AllowInsecureFallback admits clients without a valid certificate: use "
            "AllowValidOnly unless the backends verify clients"
        )
        yield Problem("InsecureFrontendValidationMode", "True", "ConfigurationChanged", message)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
