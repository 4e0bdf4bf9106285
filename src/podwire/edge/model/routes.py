"""Routes of requests, and the virtual hosts that hold them; routes of connections."""

from __future__ import annotations

import msgspec

from podwire.edge.model.backends import WeightedBackend
from podwire.edge.model.filters import (
    BasicAuth,
    ClientRanges,
    Cors,
    ExternalAuth,
    HeaderChanges,
    Mirror,
    RateLimit,
    Redirect,
    Retry,
    Rewrite,
    SessionPersistence,
    Timeouts,
)
from podwire.edge.model.matches import Match
from podwire.edge.model.resilience import Fault
from podwire.edge.model.script import NOTHING, Script, Template
from podwire.edge.model.tracing import RouteTracing


class RouteName(msgspec.Struct, frozen=True, order=True):
    """The object and rule that a route comes from: for access logs, metrics, refusals and answers.

    Attributes:
        rule: index of the rule; `rule_name` is its own name, empty where it has none.
        match: index of the match in the rule.

    """

    kind: str
    namespace: str
    name: str
    rule: int = 0
    match: int = 0
    rule_name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.namespace}/{self.name}/rule/{self.rule}/match/{self.match}"


class Forward(msgspec.Struct, frozen=True, tag=True):
    """Requests go to backends by weight; all weights 0 or no backends at all: 500."""

    backends: tuple[WeightedBackend, ...]
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    timeouts: Timeouts = Timeouts()
    retry: Retry | None = None
    session: SessionPersistence | None = None
    is_websocket: bool = True
    """Whether a request may upgrade its connection."""
    hash_keys: Template = ()
    """Variables by which an endpoint is chosen, where the cluster does so."""


class Answer(msgspec.Struct, frozen=True, tag=True):
    """Requests are answered by the proxy itself."""

    status: int
    body: str = ""


class RedirectTo(msgspec.Struct, frozen=True, tag=True):
    """Requests are answered by a redirect."""

    redirect: Redirect


class Route(msgspec.Struct, frozen=True):
    """What one match of a rule does. The first route of a virtual host that matches is taken."""

    name: RouteName
    match: Match
    action: Forward | Answer | RedirectTo
    request_headers: HeaderChanges = HeaderChanges()
    response_headers: HeaderChanges = HeaderChanges()
    cors: Cors | None = None
    auth: ExternalAuth | None = None
    clients: ClientRanges | None = None
    rate: RateLimit | None = None
    users: BasicAuth | None = None
    max_body: int | None = None
    """Bytes of a request's body where the listener limits it; None: the listener's; 0: no limit."""
    buffers_body: bool = True
    """Whether a body with a limit is complete before the request goes on."""
    tracing: RouteTracing | None = None
    """Where the listener has a collector; None: as it has it."""
    script: Script = NOTHING
    subject: str = ""
    """Expression (RE2) of a whole subject, which the client's certificate must have; empty: any."""


class VirtualHost(msgspec.Struct, frozen=True):
    """The routes of one domain in one route table; a request that none matches is answered by 404.

    Attributes:
        table: name of the route table; it has no slash.
        domain: a hostname, a wildcard or `*`; a request is for the most specific domain of the table.
        misdirected: requests are answered by 421, as another listener of the port fits this host better.
        request_headers, response_headers: of all its routes.
        rate: of all its routes together; a route with a limit of its own has that instead.
        fault: of all its routes.

    """

    table: str
    domain: str
    routes: tuple[Route, ...] = ()
    misdirected: bool = False
    request_headers: HeaderChanges = HeaderChanges()
    response_headers: HeaderChanges = HeaderChanges()
    rate: RateLimit | None = None
    fault: Fault | None = None


class StreamRoute(msgspec.Struct, frozen=True):
    """Connections (TCP, TLS) or datagrams (UDP) go to backends by weight; a share without cluster is refused."""

    name: RouteName
    backends: tuple[WeightedBackend, ...]
