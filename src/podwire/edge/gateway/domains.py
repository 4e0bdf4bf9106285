"""Which listener of a port a domain is of: listener isolation, and requests that came to the wrong listener. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` (Listeners that are distinct only by hostname), GEP-3567 (421).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.kube.hostnames import intersection, most_specific


def domain_owner(domain: str, hostnames: Iterable[str]) -> str | None:
    """Return the most specific hostname, among those of the listeners of a port, that contains the domain."""
    return most_specific(domain, hostnames)


def domains_of(listener: ListenerState, port: Iterable[ListenerState], hostnames: Iterable[str]) -> tuple[str, ...]:
    """Return the domains that a route with these hostnames (none: any) has at a listener, among those of its port.

    A domain that another listener fits better is not one of them. Empty for routes whose hostnames overlap, where all
    of the overlap is another listener's.
    """
    desired = (intersection(listener.hostname, one.lower()) for one in tuple(hostnames) or ("*",))
    taken = [one.hostname for one in port]
    found = (one for one in desired if one is not None and domain_owner(one, taken) == listener.hostname)
    return tuple(dict.fromkeys(found))


def base_domains(listener: ListenerState, port: Iterable[ListenerState]) -> Mapping[str, bool]:
    """Return the domains that the listener's route table has without any route; True: requests are answered by 421.

    HTTP: the hostname of each listener of the port, as they share the table. HTTPS: its own, and those of the others,
    as a connection for its server name may bring requests for them.
    """
    if listener.protocol == "HTTP":
        return {one.hostname: False for one in port if one.protocol == "HTTP"}
    others = {one.hostname: True for one in port if one.protocol in ("HTTPS", "TLS")}
    return {**others, listener.hostname: False}
