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
        is_served: False where the parameters are not valid and never were.

    """

    proxy: str
    states: tuple[ListenerState, ...]
    secrets: tuple[Certificate | Authorities, ...]
    identity: str
    bases: dict[Host, bool]
    ports: dict[GatewayPort, Sequence[ListenerState]]
    options: ProxyOptions
    is_served: bool


def gateway_part(key: NamespacedName, objects: Objects, before: GatewayPart | None) -> GatewayPart | None:
    """Return the part of a Gateway; None where it is not this controller's.

    Where its parameters are not valid, proxy and options are those of the part before, if that is served.
    """
    gateway = objects.gateways.get(key)
    if gateway is None or not objects.is_ours(gateway):
        return None
    states, proxy = listener_states(gateway, objects), gateway_proxy(gateway, objects)
    name, options, is_served = proxy.name, proxy.parameters.options, not proxy.problem
    if proxy.problem and before is not None:
        name, options, is_served = before.proxy, before.options, before.is_served
    served = states if is_served else ()
    return GatewayPart(
        proxy=name,
        states=states,
        secrets=gateway_secrets(gateway, served, objects),
        identity=identity_of(gateway, objects),
        bases=serving.bases(served),
        ports=port_listeners.by_port(served),
        options=options,
        is_served=is_served,
    )


def for_routes(part: GatewayPart | None) -> object:
    """Return what the routes of a Gateway depend on."""
    return part and (part.proxy, part.states, part.identity)
