"""Which chain, virtual host and route a request gets, and why not another: what Envoy does with the same model. Pure.

Source: Envoy's `source/common/router/config_impl.cc` and `source/common/http/header_utility.cc`: the first route that
matches is taken; of a repeated header any one value may match (Envoy 1.40, tried); of a repeated query parameter the
first counts, as it was sent, not decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from podwire.edge.model.filters import Header
from podwire.edge.model.listeners import FilterChain, Listener
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import Route, VirtualHost
from podwire.kube.hostnames import most_specific

GRPC = "application/grpc"
AUTHORITY = ":authority"
_HOST = (AUTHORITY, "host")
"""Names of the header with the host of a request."""


class Request(msgspec.Struct, frozen=True):
    """A request as a proxy has it after normalisation.

    Attributes:
        host: of the Host header or `:authority`, in lower case and without a port.
        path: without its query.
        query: names and values in their order, as they were sent.
        headers: names in any case.

    """

    host: str
    path: str = "/"
    method: str = "GET"
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[Header, ...] = ()

    def header(self, name: str) -> tuple[str, ...]:
        """Return the values of a header."""
        if name.lower() in _HOST:
            return (self.host,)
        return tuple([one.value for one in self.headers if one.name.lower() == name.lower()])

    def parameter(self, name: str) -> tuple[str, ...]:
        """Return the first value of a query parameter; nothing where there is none."""
        return tuple([value for other, value in self.query if other == name][:1])


class Tried(msgspec.Struct, frozen=True):
    """A route of the virtual host.

    Attributes:
        mismatches: what of its match does not hold; none for a route that matches.
        is_taken: whether it is the first that matches.

    """

    route: Route
    mismatches: tuple[str, ...]
    is_taken: bool


def chain_of(listener: Listener, server_name: str) -> FilterChain | None:
    """Return the chain for a connection with this SNI (empty: none was sent); None where the connection is closed."""
    by_name = {name: chain for chain in listener.chains for name in chain.server_names}
    best = most_specific(server_name.lower(), by_name) if server_name else None
    if best is not None:
        return by_name[best]
    return next((chain for chain in listener.chains if not chain.server_names), None)


def virtual_host_of(hosts: Iterable[VirtualHost], table: str, host: str) -> VirtualHost | None:
    """Return the virtual host of a table for this host; None where the request is answered by 404."""
    by_domain = {one.domain: one for one in hosts if one.table == table}
    best = most_specific(host.lower(), by_domain)
    return None if best is None else by_domain[best]


def tried(host: VirtualHost, request: Request) -> Iterator[Tried]:
    """Yield each route in the order in which they are tried, also those after the one that is taken."""
    is_open = True
    for route in host.routes:
        wrong = tuple(mismatches(route.match, request))
        yield Tried(route, wrong, is_open and not wrong)
        is_open = is_open and bool(wrong)


def mismatches(match: Match, request: Request) -> Iterator[str]:
    """Yield what of a match does not hold for a request, as texts of the form `path /a: is not /b`."""
    if not _path_matches(match.path, request.path):
        yield f"path {request.path}: {_PATHS[match.path.type]} {match.path.value}{_CASES[match.path.ignore_case]}"
    if match.method and match.method != request.method:
        yield f"method {request.method}: is not {match.method}"
    if match.is_grpc and not any(map(_is_grpc, request.header("content-type"))):
        yield f"header content-type: is not {GRPC}"
    for one in match.headers:
        if not _value_matches(one, values := request.header(one.name)):
            yield f"header {one.name}: {_difference(one, values)}"
    for one in match.query:
        if not _value_matches(one, values := request.parameter(one.name)):
            yield f"query parameter {one.name}: {_difference(one, values)}"


_PATHS = {
    PathType.EXACT: "is not",
    PathType.PREFIX: "does not begin with the elements of",
    PathType.TEXT: "does not begin with",
    PathType.REGEX: "does not match",
}
_CASES = {False: "", True: " in any case"}


def _path_matches(match: PathMatch, path: str) -> bool:
    desired = match.value
    if match.type is PathType.REGEX:
        return _fits(f"(?i:{desired})" if match.ignore_case else desired, path)
    if match.ignore_case:
        desired, path = desired.lower(), path.lower()
    if match.type is PathType.EXACT:
        return path == desired
    if match.type is PathType.TEXT:
        return path.startswith(desired)
    return desired in ("/", path) or path.startswith(f"{desired}/")


def _value_matches(match: ValueMatch, values: tuple[str, ...]) -> bool:
    match match.type:
        case ValueType.PRESENT:
            return bool(values)
        case ValueType.ABSENT:
            return not values
        case ValueType.EXACT:
            return match.value in values
        case ValueType.REGEX:
            return any(_fits(match.value, value) for value in values)


def _difference(match: ValueMatch, values: tuple[str, ...]) -> str:
    if not values:
        return "is absent"
    text = " and ".join(values)
    if match.type is ValueType.ABSENT:
        return f"is there: {text}"
    return f"{text} {'is not' if match.type is ValueType.EXACT else 'does not match'} {match.value}"


def _fits(expression: str, text: str) -> bool:
    """Whether an expression of RE2 matches the whole text; False for one that this language does not know."""
    try:
        return re.fullmatch(expression, text) is not None
    except re.error:
        return False


def _is_grpc(content_type: str) -> bool:
    return content_type == GRPC or content_type.startswith(f"{GRPC}+")
