"""The way of one request through a Gateway, up to the route that is taken. Pure."""

from __future__ import annotations

import msgspec

from podwire.edge.gateway import serving
from podwire.edge.gateway.attached_listeners import STREAMS, ListenerState
from podwire.edge.model import choice
from podwire.edge.model.backends import WeightedBackend
from podwire.edge.model.choice import Tried
from podwire.edge.model.listeners import FilterChain, StreamChain
from podwire.edge.model.paths import without_escaped_slashes
from podwire.edge.model.routes import Forward, RouteName, StreamRoute, VirtualHost
from podwire.insight.url.question import Question
from podwire.insight.url.report import Kind, Outcome
from podwire.insight.url.served import Served
from podwire.kube.hostnames import most_specific


class End(msgspec.Struct, frozen=True):
    """Where a request ends that comes to no route. `reason` is a constant for programs."""

    reason: str
    outcome: Outcome
    remedy: str


class Passage(msgspec.Struct, frozen=True):
    """The way of a request: `ends` is None where it comes to a route.

    `stream` is the route of its connection, where the listener does not read requests.
    """

    state: ListenerState | None = None
    host: VirtualHost | None = None
    tried: tuple[Tried, ...] = ()
    ends: End | None = None
    stream: StreamRoute | None = None

    @property
    def taken(self) -> Tried | None:
        """The route that is taken."""
        return next((one for one in self.tried if one.is_taken), None)

    @property
    def name(self) -> RouteName | None:
        """The object and rule of the route that is taken."""
        if self.stream is not None:
            return self.stream.name
        return self.taken.route.name if self.taken is not None else None

    @property
    def shares(self) -> tuple[WeightedBackend, ...] | None:
        """The backends of the route that is taken; None where it has none by its nature, such as a redirect."""
        if self.stream is not None:
            return self.stream.backends
        action = self.taken.route.action if self.taken is not None else None
        return action.backends if isinstance(action, Forward) else None


def passage(question: Question, gateway: Served) -> Passage:
    """Return the way of the request through the Gateway."""
    row = next((one for one in gateway.ports if one.port.port == question.port), None)
    if row is None:
        text = f"no connection: the Gateway serves no port {question.port}"
        ports = ", ".join(str(one.port.port) for one in gateway.ports) or "none"
        return _closed("PortNotServed", text, f"Use a port that it serves ({ports}), or add a listener.")
    is_stream = any(isinstance(one.action, StreamChain) for one in row.chains)
    if row.inspects_tls is not question.is_tls and (row.inspects_tls or not is_stream):
        spoken, scheme = (("plain HTTP", "TLS"), "https") if row.inspects_tls else (("TLS", "plain HTTP"), "http")
        text = f"the connection fails: the client speaks {spoken[0]}, the listener of port {question.port} {spoken[1]}"
        return _closed("WrongScheme", text, f"Use {scheme}://.")
    chain = choice.chain_of(row, question.server_name)
    if chain is None:
        sent = f"server name {question.server_name}" if question.server_name else "a client without a server name"
        text = f"the TLS handshake fails: no listener is for {sent}"
        return _closed("NoServerName", text, _hostnames(question, gateway))
    if isinstance(chain.action, StreamChain):
        return _passed_on(question, gateway, chain.name, chain.action.route)
    return _routed(question, gateway, chain, chain.action.table)


def _passed_on(question: Question, gateway: Served, chain: str, route: StreamRoute | None) -> Passage:
    port = [one for one in gateway.states if one.port == question.port and one.is_usable]
    state = next((one for one in port if chain == one.chain or chain.startswith(f"{one.chain}:")), None)
    if route is not None:
        return Passage(state, stream=route)
    kind = STREAMS[state.protocol] if state is not None else "route"
    text = f"the connection is closed: no {kind} is attached for {question.server_name or 'it'}"
    end = End("NoRoute", Outcome(Kind.CLOSED, text), f"Attach a {kind} to this listener.")
    return Passage(state, ends=end)


def _routed(question: Question, gateway: Served, chain: FilterChain, table: str) -> Passage:
    request = question.request
    state = _state(question, gateway, chain)
    if (early := _early(question)) is not None:
        return Passage(state, ends=early)
    host = choice.virtual_host_of(gateway.hosts.values(), table, request.host)
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
    found = [one.hostname for one in gateway.states if one.is_usable and one.port == question.port]
    return f"Use a host of its listeners ({', '.join(dict.fromkeys(found))}), or add a listener for this one."


def _closed(reason: str, text: str, remedy: str) -> Passage:
    return Passage(ends=End(reason, Outcome(Kind.CLOSED, text), remedy))


def _answered(reason: str, status: int, text: str, remedy: str) -> End:
    return End(reason, Outcome(Kind.ANSWERED, f"{status}: {text}", status), remedy)
