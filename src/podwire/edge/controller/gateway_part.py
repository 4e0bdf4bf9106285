"""What a Gateway by itself comes to: its proxy, listeners, secrets, and the hosts that exist without a route. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from podwire.edge.gateway import port_listeners, serving
from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.gateway.gateway_proxy import gateway_proxy
from podwire.edge.gateway.gateway_secrets import gateway_secrets, identity_of
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.model.listeners import GatewayPort, ProxyOptions
from podwire.edge.model.tls import Authorities, Certificate
from podwire.kube.meta import NamespacedName


class GatewayPart(msgspec.Struct, frozen=True):
    """What a Gateway by itself comes to.

    Attributes:
        proxy: name of the proxy that serves it.
        secrets: certificates and authorities of its listeners and towards backends.
        identity: name of the certificate that it shows to backends; empty: none.
        bases: hosts that exist without a route; True: requests are answered by 421.
        ports: the usable listeners of each port.
        options: those of the proxy.

    """

    proxy: str
    states: tuple[ListenerState, ...]
    secrets: tuple[Certificate | Authorities, ...]
    identity: str
    bases: dict[Host, bool]
    ports: dict[GatewayPort, Sequence[ListenerState]]
    options: ProxyOptions


def gateway_part(key: NamespacedName, objects: Objects) -> GatewayPart | None:
    """Return the part of a Gateway; None where it is not this controller's."""
    gateway = objects.gateways.get(key)
    if gateway is None or not objects.is_ours(gateway):
        return None
    states, proxy = listener_states(gateway, objects), gateway_proxy(gateway, objects)
    served = () if proxy.problem else states
    return GatewayPart(
        proxy=proxy.name,
        states=states,
        secrets=gateway_secrets(gateway, served, objects),
        identity=identity_of(gateway, objects),
        bases=serving.bases(served),
        ports=port_listeners.by_port(served),
        options=proxy.parameters.options,
    )


def for_routes(part: GatewayPart | None) -> object:
    """Return what the routes of a Gateway depend on."""
    return part and (part.proxy, part.states, part.identity)
