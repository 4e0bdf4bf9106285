"""What a route does by a script, where no filter of a proxy does it. Values only: the script is one constant file."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a text: itself, or a variable of the request, such as `host`, or `http` with the name of a header."""

    text: str = ""
    variable: str = ""
    name: str = ""


Template = tuple[Part, ...]
"""A text that is made for each request: the pieces, one after the other."""


class SetHeader(msgspec.Struct, frozen=True):
    """A header that is sent to another service."""

    name: str
    value: str


class AnswerCache(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answers of an authorization service are kept.

    Attributes:
        scope: what of the proxy shares them.
        key: answers to requests with the same key are the same; empty: not kept.
        seconds: for which an answer is kept, by its status, as text; `any`: by all others.

    """

    scope: str
    key: Template
    seconds: dict[str, float] = {}


class AuthRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request without body is sent to a service first: its status decides (nginx, ngx_http_auth_request_module).

    Attributes:
        cluster: name of the cluster of the service.
        authority: its Host.
        response_headers: of the answer; the request gets them, and loses its own.
        signin: where a client is redirected to by 302 that the service answers 401; empty: it gets the 401.
        original_request: the text of X-Auth-Request-Redirect; empty: the URI of the request.
        always_sets_cookie: whether cookies of the answer are set with every status of the response.

    """

    cluster: str
    authority: Template
    path: Template
    method: str = ""
    headers: tuple[SetHeader, ...] = ()
    response_headers: tuple[str, ...] = ()
    signin: Template = ()
    original_request: Template = ()
    always_sets_cookie: bool = False
    cache: AnswerCache | None = None


class Passwords(msgspec.Struct, frozen=True, omit_defaults=True):
    """Users that the route is for (RFC 7617). Each hash has one of the forms of `htpasswd`.

    Attributes:
        hashes: by user.
        realm: of the challenge.

    """

    hashes: dict[str, str]
    realm: str = ""


class ClientCertificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a client's certificate must be; its listener requests one.

    Attributes:
        required: whether one must be shown.
        verified: whether one that is shown must be of the authorities.
        error_page: where clients are redirected to that are refused.
        passes: whether the backend gets the certificate itself.

    """

    required: bool = True
    verified: bool = True
    error_page: Template = ()
    passes: bool = False


class ErrorPages(msgspec.Struct, frozen=True, omit_defaults=True):
    """Responses with these statuses are replaced by those of a service, which gets the status as X-Code.

    Attributes:
        statuses: as text.
        own_only: statuses of which only the proxy's own responses are replaced.

    """

    cluster: str
    statuses: tuple[str, ...] = ()
    own_only: tuple[str, ...] = ()
    headers: tuple[SetHeader, ...] = ()


class Replacement(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text at the beginning of another is replaced."""

    before: Template
    after: Template


class SessionCookie(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a session's cookie gets that depends on the time or the client.

    Attributes:
        expires: seconds from now; 0: no such attribute.
        spares_old_clients: whether SameSite=None is left out for clients that do not know it.

    """

    name: str
    expires: int = 0
    spares_old_clients: bool = False


class Copy(msgspec.Struct, frozen=True, omit_defaults=True):
    """A copy of the request without its body; the answer is ignored."""

    cluster: str
    authority: Template
    path: Template


class Retries(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is tried again although a backend may have seen it.

    Attributes:
        conditions: Envoy's own words for failures.
        statuses: of responses.
        every_method: whether requests are that may not be repeated (RFC 9110, 9.2.2): POST, PATCH, LOCK.

    """

    conditions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    every_method: bool = False


class Script(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that the script does for a route, in this order.

    Attributes:
        redirect_status, redirect: the request is answered by a redirect; 0: it is not.
        connections: requests of one client at the same time, of all routes of `scope`; 0: any number.
        connections_status: of the answer to further ones.
        connections_exempt: ranges of addresses whose clients are not limited.
        any_suffices: whether one of addresses, passwords and authorization is enough.
        has_addresses: whether addresses are one of them; the result is in the metadata of the filter for them.
        location, cookie_domain, cookie_path: replacements in responses.
        logged: whether the request is in the access log.

    """

    scope: str = ""
    certificate: ClientCertificate | None = None
    redirect_status: int = 0
    redirect: Template = ()
    connections: int = 0
    connections_status: int = 0
    connections_exempt: tuple[str, ...] = ()
    any_suffices: bool = False
    has_addresses: bool = False
    passwords: Passwords | None = None
    auth: AuthRequest | None = None
    retries: Retries | None = None
    copy: Copy | None = None
    errors: ErrorPages | None = None
    location: Replacement | None = None
    cookie_domain: Replacement | None = None
    cookie_path: Replacement | None = None
    session: SessionCookie | None = None
    logged: bool = True


NOTHING = Script()
