"""A Gateway as its proxy has it, derived once from all objects. Pure.

Everything comes from the functions that the controller makes the proxy's configuration with.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.edge.gateway import port_listeners, serving
from podwire.edge.gateway.attached_listeners import Host, ListenerState
from podwire.edge.gateway.attachment import Attachment, attachments
from podwire.edge.gateway.backend_identity import with_identity
from podwire.edge.gateway.contested_hostnames import Contender, settled
from podwire.edge.gateway.gateway_secrets import identity_of
from podwire.edge.gateway.http_routes import Translated
from podwire.edge.gateway.kinds.gateway import Gateway
from podwire.edge.gateway.kinds.stream_routes import StreamRoute
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model.backends import Cluster
from podwire.edge.model.listeners import Listener
from podwire.edge.model.routes import VirtualHost


class Served(msgspec.Struct, frozen=True):
    """A Gateway with its listeners over TCP, and the routes that refer to it.

    A route that is not accepted is in `attached` and `rules` with its reason.
    """

    gateway: Gateway
    states: tuple[ListenerState, ...]
    ports: tuple[Listener, ...]
    hosts: Mapping[Host, VirtualHost]
    attached: Mapping[Owner, tuple[Attachment, ...]]
    rules: Mapping[Owner, Translated]

    @property
    def clusters(self) -> dict[str, Cluster]:
        """The clusters of all routes, by name."""
        return {one.name: one for rules in self.rules.values() for one in rules.clusters}


def served(gateway: Gateway, objects: Objects) -> Served:
    """Return the Gateway with all that its proxy has for it."""
    states, identity = listener_states(gateway, objects), identity_of(gateway, objects)
    routes: dict[Owner, serving.Route] = {}
    alone: list[Contender] = []
    attached: dict[Owner, tuple[Attachment, ...]] = {}
    for owner, route in sorted(objects.routes.items()):
        if isinstance(route, serving.Route):
            routes[owner] = route
            every = attachments(route, owner, route.spec.hostnames, objects, lambda _: states)
            found = tuple(one for one in every if one.gateway == gateway.key)
            if isinstance(route, StreamRoute):
                attached[owner] = found
            else:
                alone.append(Contender(owner, route.metadata.creation_timestamp or "", found))
    attached = {owner: found for owner, found in {**attached, **settled(alone)}.items() if found}
    rules: dict[Owner, Translated] = {}
    owners: dict[Host, list[Owner]] = {}
    for owner, found in sorted(attached.items()):
        rules[owner] = with_identity(serving.translated(owner.kind, routes[owner], objects), identity)
        for host in serving.hosts_of(found):
            owners.setdefault(host, []).append(owner)
    streams = {host: owners.pop(host) for host in tuple(owners) if isinstance(routes[owners[host][0]], StreamRoute)}
    hosts = {}
    bases = serving.bases(states)
    for host in {*bases, *owners}:
        misdirected = bases.get(host, False)
        there = () if misdirected else tuple(one for one in states if one.table and one.host(host.domain) == host)
        tried = serving.owners_of(host, there, lambda one: owners.get(one, ()), rules.__getitem__)
        shares = ((routes[one], rules[one]) for one in tried)
        hosts[host] = serving.virtual_host(host, shares, misdirected=misdirected)
    oldest = ((host, serving.stream((routes[one], rules[one]) for one in found)) for host, found in streams.items())
    rows = port_listeners.listener_rows(states, lambda _: 0, streams={host: one for host, one in oldest if one})
    ports = tuple(one for one in rows if one.port.protocol == "TCP")
    return Served(gateway, states, ports, hosts, attached, rules)
