"""Filters of an HTTPRoute's rule as the model has them; backends are left as references. Pure.

Source: gateway-api v1.6.3 `httproute_types.go`, HTTPRouteFilter.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podwire.edge.gateway.expressions import has_control_characters
from podwire.edge.gateway.kinds.http_route import (
    HTTPCORSFilter,
    HTTPExternalAuthFilter,
    HTTPHeader,
    HTTPHeaderFilter,
    HTTPPathModifier,
    HTTPRequestMirrorFilter,
    HTTPRequestRedirectFilter,
    HTTPRouteFilter,
    HTTPURLRewriteFilter,
)
from podwire.edge.model.filters import Cors, Header, HeaderChanges, Redirect, Rewrite

_PORTS = {"http": 80, "https": 443}


class Unsupported(Exception):  # noqa: N818 - the reason of a condition, not a failure
    """A rule that cannot be served: the reason and message of its route's condition.

    `rejects_route`: the API demands that the whole route is not accepted.
    """

    def __init__(self, reason: str, message: str, *, rejects_route: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.rejects_route = rejects_route


class Filters(msgspec.Struct, frozen=True):
    """What the filters of a rule or a backend do."""

    request_headers: HeaderChanges = HeaderChanges()
    response_headers: HeaderChanges = HeaderChanges()
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None
    cors: Cors | None = None
    mirrors: tuple[HTTPRequestMirrorFilter, ...] = ()
    auth: HTTPExternalAuthFilter | None = None


def filters_of(filters: Iterable[HTTPRouteFilter], field: str) -> Filters:
    """Return what the filters do. Raises Unsupported, whose message names the field."""
    found = Filters()
    for index, one in enumerate(filters):
        found = _with(found, one, f"{field}[{index}]")
    _check_texts(found, field)
    if found.redirect and found.rewrite:
        message = f"{field}: URLRewrite and RequestRedirect exclude each other: remove one of them"
        raise Unsupported("IncompatibleFilters", message, rejects_route=True)
    return found


def _with(found: Filters, one: HTTPRouteFilter, field: str) -> Filters:
    if one.type == "RequestHeaderModifier" and one.request_header_modifier:
        return msgspec.structs.replace(found, request_headers=_changes(one.request_header_modifier))
    if one.type == "ResponseHeaderModifier" and one.response_header_modifier:
        return msgspec.structs.replace(found, response_headers=_changes(one.response_header_modifier))
    if one.type == "RequestMirror" and one.request_mirror:
        return msgspec.structs.replace(found, mirrors=(*found.mirrors, one.request_mirror))
    if one.type == "RequestRedirect" and one.request_redirect:
        return msgspec.structs.replace(found, redirect=_redirect(one.request_redirect))
    if one.type == "URLRewrite" and one.url_rewrite:
        return msgspec.structs.replace(found, rewrite=_rewrite(one.url_rewrite))
    if one.type == "CORS" and one.cors:
        return msgspec.structs.replace(found, cors=_cors(one.cors))
    if one.type == "ExternalAuth" and one.external_auth:
        return msgspec.structs.replace(found, auth=one.external_auth)
    message = f"{field}.type: filter {one.type} is not supported: remove it"
    raise Unsupported("UnsupportedValue", message)


def _check_texts(found: Filters, field: str) -> None:
    """Raise Unsupported where a value would make the proxy refuse the routes of the whole domain."""
    changes = (found.request_headers, found.response_headers)
    texts = [one.value for each in changes for one in (*each.set, *each.add)]
    for path in (found.rewrite, found.redirect):
        texts += [text for text in (path.full_path, path.prefix) if text] if path else []
    if any(has_control_characters(one) for one in texts):
        raise Unsupported("UnsupportedValue", f"{field}: a value has control characters: remove them")


def _changes(changes: HTTPHeaderFilter) -> HeaderChanges:
    return HeaderChanges(_headers(changes.set), _headers(changes.add), changes.remove)


def _headers(headers: Iterable[HTTPHeader]) -> tuple[Header, ...]:
    """Of several headers of one name the first counts."""
    found: dict[str, Header] = {}
    for one in headers:
        found.setdefault(one.name.lower(), Header(one.name, one.value))
    return tuple(found.values())


def _redirect(redirect: HTTPRequestRedirectFilter) -> Redirect:
    """A scheme without port means the scheme's own; without both, the listener's port is filled in later."""
    scheme = redirect.scheme or ""
    return Redirect(
        scheme=scheme,
        hostname=redirect.hostname or "",
        port=redirect.port or _PORTS.get(scheme, 0),
        full_path=_full(redirect.path),
        prefix=_prefix(redirect.path),
        status=redirect.status_code,
    )


def _rewrite(rewrite: HTTPURLRewriteFilter) -> Rewrite:
    return Rewrite(rewrite.hostname or "", _full(rewrite.path), _prefix(rewrite.path))


def _full(path: HTTPPathModifier | None) -> str | None:
    return (path.replace_full_path or "/") if path and path.type == "ReplaceFullPath" else None


def _prefix(path: HTTPPathModifier | None) -> str | None:
    return (path.replace_prefix_match or "") if path and path.type == "ReplacePrefixMatch" else None


def _cors(cors: HTTPCORSFilter) -> Cors:
    return Cors(
        origins=cors.allow_origins,
        methods=cors.allow_methods,
        headers=cors.allow_headers,
        expose=cors.expose_headers,
        credentials=cors.allow_credentials is True,
        max_age=cors.max_age,
    )
