"""What is done to a request and its response on the way."""

from __future__ import annotations

import msgspec


class Header(msgspec.Struct, frozen=True):
    """A header's name and value."""

    name: str
    value: str


class HeaderChanges(msgspec.Struct, frozen=True):
    """Headers are set (replaced), added (appended) and removed. One change a name, the name in any case."""

    set: tuple[Header, ...] = ()
    add: tuple[Header, ...] = ()
    remove: tuple[str, ...] = ()


class Substitution(msgspec.Struct, frozen=True):
    """A new path from the one that an expression (RE2) matches whole. The replacement is a substitution of RE2."""

    expression: str
    replacement: str


class Rewrite(msgspec.Struct, frozen=True):
    """The request goes on with another host or path.

    Attributes:
        hostname: the new Host; empty: as it came.
        full_path: the new path; None: as it came.
        prefix: what replaces the path prefix that matched; None: nothing does. `/foo/bar`, matched by `/foo`, becomes
            `/xyz/bar` with `/xyz` and with `/xyz/`.
        substitution: makes the new path from the old; None: nothing does.

    """

    hostname: str = ""
    full_path: str | None = None
    prefix: str | None = None
    substitution: Substitution | None = None


class Redirect(msgspec.Struct, frozen=True):
    """The request is answered by a redirect.

    Attributes:
        scheme: empty: as the request's.
        hostname: empty: as the request's.
        port: of the answer's Location; 0: as the request's. Gateway API's rules for an absent port are applied before.
        full_path, prefix, substitution: as in `Rewrite`.
        status: 301, 302, 303, 307 or 308.
        keeps_query: whether the request's query follows.

    """

    scheme: str = ""
    hostname: str = ""
    port: int = 0
    full_path: str | None = None
    prefix: str | None = None
    status: int = 302
    substitution: Substitution | None = None
    keeps_query: bool = True


class Mirror(msgspec.Struct, frozen=True):
    """A copy of requests goes to one endpoint of a cluster; its answer is ignored. `hostname` is its Host, if any."""

    cluster: str
    numerator: int = 100
    denominator: int = 100
    hostname: str = ""


class Cors(msgspec.Struct, frozen=True):
    """Cross-origin requests (GEP-1767; Fetch Standard, 3.2).

    Attributes:
        origins: `*`, `https://app.example.com` or `https://*.example.com`.
        methods, headers, expose: names, or `*` alone.
        max_age: seconds.
        as_nginx: whether `*` is one label of a name, in any case, and preflights of other origins go to the backend.

    """

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 5
    as_nginx: bool = False


class ExternalAuth(msgspec.Struct, frozen=True):
    """Each request is first sent to an authorization service (GEP-1494).

    Attributes:
        cluster: name of the cluster of the service; empty: there is none, and requests are answered by 500.
        protocol: `GRPC` (Envoy's ext_authz) or `HTTP`.
        path: prefix of the path for HTTP.
        request_headers: headers of the request that are sent; for HTTP, Host, method and path always are.
        response_headers: headers of the answer that are added to the request.
        max_body: bytes of the body that are sent; 0: none.

    """

    cluster: str
    protocol: str
    path: str = ""
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    max_body: int = 0


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds; 0: no limit.

    Attributes:
        request: from the request's end to the response's end, all tries together.
        backend: of one try.
        idle: without a byte in either direction.

    """

    request: float = 0.0
    backend: float = 0.0
    idle: float = 0.0


class ClientRanges(msgspec.Struct, frozen=True):
    """Which clients a route is for, by their address: others are answered by 403.

    Attributes:
        allowed: ranges of addresses; empty: all.
        denied: ranges that are refused, also where they are allowed.
        only_marks: whether requests of others go on, as the route's script decides by the result.

    """

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    only_marks: bool = False


class Rate(msgspec.Struct, frozen=True):
    """So many `requests` in so many `seconds`, on average; at once `burst`."""

    requests: int
    seconds: float
    burst: int


class RateLimit(msgspec.Struct, frozen=True):
    """How many requests may be sent in a route, or to a virtual host, through one proxy.

    Attributes:
        rates: all of them hold.
        exempt: ranges of addresses whose clients are not limited.
        status: of the answer to further requests.
        by_client: whether each client, by its address, may send so many; else all clients together.

    """

    rates: tuple[Rate, ...]
    exempt: tuple[str, ...] = ()
    status: int = 503
    by_client: bool = True


class BasicAuth(msgspec.Struct, frozen=True):
    """Users that a route is for: `name:{SHA}digest` each, the digest of SHA-1 in base64 (htpasswd -s)."""

    users: tuple[str, ...]


class Retry(msgspec.Struct, frozen=True):
    """Further tries after a failed one (GEP-1731).

    Attributes:
        attempts: further tries after the first.
        codes: statuses after which another try is made.
        backoff: least seconds between tries.
        on_connection_error: whether a connection that failed is tried again too.

    """

    attempts: int = 1
    codes: tuple[int, ...] = ()
    backoff: float = 0.025
    on_connection_error: bool = True


class SessionPersistence(msgspec.Struct, frozen=True):
    """Requests of one session go to one endpoint (GEP-1619).

    Attributes:
        kind: `Cookie` or `Header`.
        name: of the cookie or the header.
        absolute_timeout: seconds until the session ends; 0: with the client's session.
        path: of the cookie.
        attributes: further ones of the cookie; one without value is its name alone.

    """

    kind: str
    name: str
    absolute_timeout: float = 0.0
    path: str = "/"
    attributes: tuple[Header, ...] = ()
