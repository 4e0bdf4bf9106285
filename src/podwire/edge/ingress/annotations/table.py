"""Every annotation of ingress-nginx v1.15.1: whether it is honoured, how it differs, or why it is refused. Pure.

docs/reference/ingress-annotations.md is made from this table. Source: kubernetes/ingress-nginx
`docs/user-guide/nginx-configuration/annotations.md`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from podwire.edge.ingress.annotations import expression, grammar
from podwire.edge.ingress.annotations.grammar import boolean, integer, one_of, seconds
from podwire.edge.ingress.annotations.refused import REFUSED

PREFIXES = ("nginx.ingress.kubernetes.io/", "podwire.dev/")
REMEDY = "correct the value, or remove the annotation"
_MOST = 1_000_000


class Support(enum.StrEnum):
    """How an annotation is honoured."""

    EXACT = "exact"
    DIFFERS = "differs"
    REFUSED = "refused"


class Annotation(msgspec.Struct, frozen=True):
    """An annotation without its prefix.

    Attributes:
        grammar: reads its value; None for one that is refused.
        note: how it differs, or why it is refused and what replaces it.
        alias_of: the annotation that it is another name of.

    """

    name: str
    area: str
    support: Support
    grammar: Callable[[str], Any] | None = None
    note: str = ""
    alias_of: str = ""

    @property
    def field(self) -> str:
        """Name of the field of `Settings`."""
        return (self.alias_of or self.name).replace("-", "_")


def _exact(area: str, **grammars: Callable[[str], Any]) -> Iterator[Annotation]:
    for name, one in grammars.items():
        yield Annotation(name.replace("_", "-"), area, Support.EXACT, one)


def _differs(area: str, name: str, grammar: Callable[[str], Any], note: str, alias_of: str = "") -> Annotation:
    return Annotation(name, area, Support.DIFFERS, grammar, note, alias_of)


def _refused(area: str, note: str, *names: str) -> Iterator[Annotation]:
    for name in names:
        yield Annotation(name, area, Support.REFUSED, None, note)


def _annotations() -> Iterator[Annotation]:
    yield from _paths()
    yield from _redirects()
    yield from _access()
    yield from _protection()
    yield from _traffic()
    yield from _backends()
    yield from _answers()
    for area, note, names in REFUSED:
        yield from _refused(area, note, *names)


def _paths() -> Iterator[Annotation]:
    yield from _exact("paths", app_root=grammar.path, use_regex=boolean, x_forwarded_prefix=grammar.text_value)
    note = "applied to the path as it was sent, after normalisation: `%20` is not decoded before it is matched"
    yield _differs("paths", "rewrite-target", expression.target, note)
    yield from _refused("paths", "a slash at the end of a path is always kept in redirects", "preserve-trailing-slash")


def _redirects() -> Iterator[Annotation]:
    kept = "a slash at the end of the path is kept"
    yield _differs("redirects", "ssl-redirect", boolean, kept)
    yield _differs("redirects", "force-ssl-redirect", boolean, kept)
    codes = "301, 302, 303, 307 and 308 only"
    variables = f"of nginx's variables only `{grammar.REQUEST_URI}` at the end is known"
    for kind in ("permanent", "temporal"):
        yield _differs("redirects", f"{kind}-redirect", grammar.location, variables)
        yield _differs("redirects", f"{kind}-redirect-code", _redirect_code, codes)
    yield from _exact("redirects", from_to_www_redirect=boolean)
    note = "a Location always has scheme and host, without the port of the proxy"
    yield from _refused("redirects", note, "relative-redirects", "use-port-in-redirects")


def _access() -> Iterator[Annotation]:
    yield from _exact("addresses", allowlist_source_range=grammar.networks, denylist_source_range=grammar.networks)
    note = "another name of allowlist-source-range"
    yield Annotation(
        "whitelist-source-range", "addresses", Support.EXACT, grammar.networks, note, "allowlist-source-range"
    )


def _protection() -> Iterator[Annotation]:
    yield _differs("basic auth", "auth-type", one_of("basic"), "digest authentication is refused")
    namespace = "a Secret of the Ingress's own namespace; passwords are digests of SHA-1 (`htpasswd -s`)"
    yield _differs("basic auth", "auth-secret", grammar.object_name, namespace)
    yield from _exact("basic auth", auth_secret_type=one_of("auth-file", "auth-map"))
    counted = "counted for each path of the Ingress, in each Envoy; of both rates the one by the second counts"
    yield _differs("limits", "limit-rps", integer(0, _MOST), counted)
    yield _differs("limits", "limit-rpm", integer(0, _MOST), counted)
    yield from _exact("limits", limit_burst_multiplier=integer(1, 1000))
    buffered = "a body is kept in memory until it is complete; limits over 16m are none"
    yield _differs("body", "proxy-body-size", grammar.size, buffered)


def _traffic() -> Iterator[Annotation]:
    yield from _exact(
        "canary",
        canary=boolean,
        canary_by_header=grammar.token,
        canary_by_header_value=grammar.text_value,
        canary_by_cookie=grammar.token,
        canary_weight=integer(0, _MOST),
        canary_weight_total=integer(100, _MOST),
    )
    yield _differs("canary", "canary-by-header-pattern", expression.expression, expression.NOTE)
    note = "the cookie names the endpoint itself: it stays until that endpoint is gone, in both modes"
    yield _differs("affinity", "affinity", one_of("cookie"), note)
    yield from _exact(
        "affinity",
        session_cookie_name=grammar.token,
        session_cookie_path=grammar.path,
        session_cookie_max_age=integer(0, 2**31 - 1),
    )


def _backends() -> Iterator[Annotation]:
    note = "AUTO_HTTP and FCGI are refused"
    yield _differs("upstream", "backend-protocol", one_of("HTTP", "HTTPS", "GRPC", "GRPCS"), note)
    yield from _exact("upstream", upstream_vhost=grammar.hostname)
    yield from _exact("upstream", server_alias=grammar.hostnames)
    yield from _exact("timeouts", proxy_connect_timeout=seconds)
    idle = "the longer of the read and the send time-out is the time without any byte in either direction"
    yield _differs("timeouts", "proxy-read-timeout", seconds, idle)
    yield _differs("timeouts", "proxy-send-timeout", seconds, idle)
    after = "a request of which something was sent is repeated only for the statuses that the list names"
    yield _differs("timeouts", "proxy-next-upstream", _next_upstream, after)
    yield _differs("timeouts", "proxy-next-upstream-tries", integer(0, 100), "0 is 100 tries")


def _answers() -> Iterator[Annotation]:
    note = "a ConfigMap of the Ingress's own namespace; all its headers are added"
    yield _differs("answers", "custom-headers", grammar.object_name, note)
    yield from _exact(
        "cors",
        enable_cors=boolean,
        cors_allow_credentials=boolean,
        cors_max_age=integer(0, 2**31 - 1),
        cors_expose_headers=grammar.tokens,
    )
    note = (
        "where origins are listed, only preflights (OPTIONS with Origin and Access-Control-Request-Method) are answered"
    )
    yield _differs("cors", "cors-allow-origin", _origins, f"{note} without the backend")
    note = "where origins are listed, it is in answers to preflights only"
    yield _differs("cors", "cors-allow-methods", grammar.methods, note)
    yield _differs("cors", "cors-allow-headers", grammar.tokens, note)


def _redirect_code(text: str) -> int:
    return int(one_of("301", "302", "303", "307", "308")(text))


_CONDITIONS = (
    "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
    "http_429", "non_idempotent", "off",
)  # fmt: skip


def _next_upstream(text: str) -> tuple[str, ...]:
    return tuple(one_of(*_CONDITIONS)(one) for one in text.split())


def _origins(text: str) -> tuple[str, ...]:
    found = grammar.words(text)
    for one in found:
        scheme, _, host = one.rpartition("://")
        if one != "*":
            grammar.location(f"{scheme}://{host.removeprefix('*.')}")
    return found


TABLE = {one.name: one for one in _annotations()}
