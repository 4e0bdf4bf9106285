"""A Gateway as its proxy has it, derived once from all objects, and the way of one request through it. Pure.

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
from podwire.edge.gateway.kinds.grpc_route import GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTPRoute
from podwire.edge.gateway.listeners import listener_states
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.model import choice
from podwire.edge.model.backends import Cluster
from podwire.edge.model.choice import Tried
from podwire.edge.model.listeners import FilterChain, HttpChain, Listener
from podwire.edge.model.paths import without_escaped_slashes
from podwire.edge.model.routes import VirtualHost
from podwire.insight.url.question import Question
from podwire.insight.url.report import Kind, Outcome
from podwire.kube.hostnames import most_specific


class Served(msgspec.Struct, frozen=True):
    """A Gateway with its listeners, and the routes that refer to it.

    `attached` and `rules` are those of routes of requests; a route that is not accepted is there with its reason.
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


class End(msgspec.Struct, frozen=True):
    """Where a request ends that comes to no route. `reason` is a constant for programs."""

    reason: str
    outcome: Outcome
    remedy: str


class Passage(msgspec.Struct, frozen=True):
    """The way of a request: `ends` is None where it comes to a route."""

    state: ListenerState | None = None
    host: VirtualHost | None = None
    tried: tuple[Tried, ...] = ()
    ends: End | None = None

    @property
    def taken(self) -> Tried | None:
        """The route that is taken."""
        return next((one for one in self.tried if one.is_taken), None)


def served(gateway: Gateway, objects: Objects) -> Served:
    """Return the Gateway with all that its proxy has for it."""
    states, identity = listener_states(gateway, objects), identity_of(gateway, objects)
    routes: dict[Owner, serving.RequestRoute] = {}
    alone = []
    for owner, route in sorted(objects.routes.items()):
        if isinstance(route, HTTPRoute | GRPCRoute):
            routes[owner] = route
            every = attachments(route, owner, route.spec.hostnames, objects, lambda _: states)
            found = tuple(one for one in every if one.gateway == gateway.key)
            alone.append(Contender(owner, route.metadata.creation_timestamp or "", found))
    attached = {owner: found for owner, found in settled(alone).items() if found}
    rules: dict[Owner, Translated] = {}
    owners: dict[Host, list[Owner]] = {}
    for owner, found in sorted(attached.items()):
        rules[owner] = with_identity(serving.translated(owner.kind, routes[owner], objects), identity)
        for host in serving.hosts_of(found):
            owners.setdefault(host, []).append(owner)
    hosts = {}
    bases = serving.bases(states)
    for host in {*bases, *owners}:
        misdirected = bases.get(host, False)
        there = () if misdirected else tuple(one for one in states if one.table and one.host(host.domain) == host)
        tried = serving.owners_of(host, there, lambda one: owners.get(one, ()), rules.__getitem__)
        shares = ((routes[one], rules[one]) for one in tried)
        hosts[host] = serving.virtual_host(host, shares, misdirected=misdirected)
    ports = tuple(port_listeners.listener_rows(serving.http_listeners(states), lambda _: 0))
    return Served(gateway, states, ports, hosts, attached, rules)


def passage(question: Question, gateway: Served) -> Passage:
    """Return the way of the request through the Gateway."""
    row = next((one for one in gateway.ports if one.port.port == question.port and one.port.protocol == "TCP"), None)
    if row is None:
        text = f"no connection: the Gateway serves no port {question.port}"
        ports = ", ".join(str(one.port.port) for one in gateway.ports) or "none"
        return _closed("PortNotServed", text, f"Use a port that it serves ({ports}), or add a listener.")
    if row.inspects_tls is not question.is_tls:
        spoken, scheme = (("plain HTTP", "TLS"), "https") if row.inspects_tls else (("TLS", "plain HTTP"), "http")
        text = f"the connection fails: the client speaks {spoken[0]}, the listener of port {question.port} {spoken[1]}"
        return _closed("WrongScheme", text, f"Use {scheme}://.")
    chain = choice.chain_of(row, question.server_name)
    if chain is None:
        sent = f"server name {question.server_name}" if question.server_name else "a client without a server name"
        text = f"the TLS handshake fails: no listener is for {sent}"
        return _closed("NoServerName", text, _hostnames(question, gateway))
    return _routed(question, gateway, chain)


def _routed(question: Question, gateway: Served, chain: FilterChain) -> Passage:
    request = question.request
    assert isinstance(chain.action, HttpChain), "rows of HTTP listeners have no others"
    state = _state(question, gateway, chain)
    if (early := _early(question)) is not None:
        return Passage(state, ends=early)
    host = choice.virtual_host_of(gateway.hosts.values(), chain.action.table, request.host)
    if host is None:
        text = f"no listener of port {question.port} is for host {request.host}"
        return Passage(state, ends=_answered("NoHost", 404, text, _hostnames(question, gateway)))
    if host.misdirected:
        text = f"another listener of the port is for host {request.host}"
        remedy = "Send the name of the Host header in the TLS handshake too."
        return Passage(state, host, ends=_answered("Misdirected", 421, text, remedy))
    tried = tuple(choice.tried(host, request))
    if any(one.is_taken for one in tried):
        return Passage(state, host, tried)
    if tried:
        text, remedy = f"no route of host {host.domain} matches", "Change the request, or a match of these routes."
    else:
        text = f"no route is attached for host {request.host}"
        remedy = f"Attach a route with hostname {request.host} to this listener."
    return Passage(state, host, tried, _answered("NoRoute", 404, text, remedy))


def _state(question: Question, gateway: Served, chain: FilterChain) -> ListenerState | None:
    port = [one for one in serving.http_listeners(gateway.states) if one.port == question.port]
    if chain.tls is not None:
        return next((one for one in port if one.chain == chain.name), None)
    best = most_specific(question.request.host, [one.hostname for one in port])
    return next((one for one in port if one.hostname == best), None)


def _early(question: Question) -> End | None:
    """What the proxy answers before it looks for a route (Envoy's best practices for the edge)."""
    names = [one.name for one in question.request.headers if "_" in one.name]
    if names:
        text = f"header {names[0]} has an underscore, which the proxy refuses"
        return _answered("HeaderUnderscore", 400, text, "Use a hyphen in its name.")
    if (path := without_escaped_slashes(question.raw_path)) is not None:
        query = question.query
        target = f"{path}{'?' if query else ''}{query}"
        text = f"the path has an escaped slash: redirect to {target}"
        return End("EscapedSlash", Outcome(Kind.ANSWERED, f"307: {text}", 307, target), "Use a real slash.")
    return None


def _hostnames(question: Question, gateway: Served) -> str:
    found = [one.hostname for one in serving.http_listeners(gateway.states) if one.port == question.port]
    return f"Use a host of its listeners ({', '.join(dict.fromkeys(found))}), or add a listener for this one."


def _closed(reason: str, text: str, remedy: str) -> Passage:
    return Passage(ends=End(reason, Outcome(Kind.CLOSED, text), remedy))


def _answered(reason: str, status: int, text: str, remedy: str) -> End:
    return End(reason, Outcome(Kind.ANSWERED, f"{status}: {text}", status), remedy)
