"""Every key of the ConfigMap that is honoured, and those of ingress-nginx that are not, with the reason. Pure.

docs/reference/ingress-options.md is made from this table. Source: kubernetes/ingress-nginx v1.15.1
`docs/user-guide/nginx-configuration/configmap.md`, `internal/ingress/controller/config/config.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from podwire.edge.ingress.annotations import grammar
from podwire.edge.ingress.annotations.annotation import LONGEST_SECONDS, Annotation, differs, exact, refused
from podwire.edge.ingress.annotations.grammar import InvalidValueError, boolean, integer, one_of
from podwire.edge.ingress.annotations.table import TABLE as ANNOTATIONS
from podwire.edge.ingress.options.refused import REFUSED

DEFAULTS = (
    "allowlist-source-range", "app-root", "client-body-buffer-size", "connection-proxy-header", "custom-http-errors",
    "denylist-source-range", "disable-proxy-intercept-errors", "force-ssl-redirect", "load-balance",
    "preserve-trailing-slash", "proxy-body-size", "proxy-buffer-size", "proxy-buffering", "proxy-buffers-number",
    "proxy-busy-buffers-size", "proxy-connect-timeout", "proxy-cookie-domain", "proxy-cookie-path",
    "proxy-http-version", "proxy-max-temp-file-size", "proxy-next-upstream", "proxy-next-upstream-tries",
    "proxy-read-timeout", "proxy-redirect-from", "proxy-redirect-to", "proxy-request-buffering", "proxy-send-timeout",
    "relative-redirects", "service-upstream", "ssl-redirect", "upstream-hash-by", "use-port-in-redirects",
    "whitelist-source-range",
)  # fmt: skip
"""Keys that are the default of the annotation of the same name."""
PROTECTS = frozenset(
    ("allowlist-source-range", "denylist-source-range", "whitelist-source-range", "global-auth-url",
     "global-auth-method", "global-auth-response-headers", "global-auth-snippet", "block-cidrs", "block-user-agents",
     "block-referers", "annotation-value-word-blocklist", "ssl-protocols")
)  # fmt: skip
"""Keys that protect: where one is not valid or not honoured, all Ingresses answer 503."""
_MEDIA_TYPE = re.compile(r"[a-z0-9*]+/[A-Za-z0-9.+*-]+|\*")


def _rows() -> Iterator[Annotation]:
    for name in DEFAULTS:
        row = ANNOTATIONS[name]
        yield msgspec.structs.replace(row, area="defaults of annotations")
    yield from _responses()
    yield from _authorization()
    yield from _clients()
    yield from _tls()
    yield from _compression()
    yield from _tracing()
    for area, note, names in REFUSED:
        yield from refused(area, note, *names)


def _responses() -> Iterator[Annotation]:
    yield from exact(
        "responses",
        hsts=boolean,
        hsts_include_subdomains=boolean,
        hsts_max_age=integer(0, LONGEST_SECONDS),
        hsts_preload=boolean,
        limit_req_status_code=integer(400, 599),
        limit_conn_status_code=integer(400, 599),
        hide_headers=grammar.tokens,
        add_headers=grammar.object_name,
        disable_access_log=boolean,
    )
    note = "301, 302, 303, 307 and 308"
    yield differs("responses", "http-redirect-code", _redirect_code, note)


def _authorization() -> Iterator[Annotation]:
    area = "external auth"
    for name in (
        "url", "method", "signin", "signin-redirect-param", "request-redirect", "response-headers",
        "always-set-cookie", "cache-key", "cache-duration",
    ):  # fmt: skip
        row = ANNOTATIONS[f"auth-{name}"]
        yield Annotation(f"global-auth-{name}", area, row.support, row.grammar, row.note)
    yield from exact(area, no_auth_locations=_paths, annotation_value_word_blocklist=grammar.words)


def _clients() -> Iterator[Annotation]:
    area = "clients"
    note = "one proxy in front: the last address of X-Forwarded-For is the client's, its X-Forwarded-Proto the scheme"
    yield differs(area, "use-forwarded-headers", boolean, note)
    note = "with use-forwarded-headers: the last address outside of these ranges is the client's"
    yield differs(area, "proxy-real-ip-cidr", grammar.networks, note)
    yield from exact(area, use_proxy_protocol=boolean, enable_underscores_in_headers=boolean)
    yield differs(area, "keep-alive", grammar.seconds, "0 is not honoured; without it an hour")
    yield from exact(area, proxy_set_headers=grammar.object_name)


def _tracing() -> Iterator[Annotation]:
    note = "by OTLP over gRPC, named `ingress.podwire-system`"
    yield differs("tracing", "enable-opentelemetry", boolean, note)
    yield from exact(
        "tracing",
        otlp_collector_host=grammar.hostname,
        otlp_collector_port=integer(1, 65535),
        otel_sampler=one_of("AlwaysOn", "AlwaysOff", "TraceIdRatioBased"),
        otel_sampler_ratio=grammar.share,
    )


def _tls() -> Iterator[Annotation]:
    yield from exact("TLS", ssl_protocols=grammar.tls_versions, use_http2=boolean)
    yield differs("TLS", "ssl-ciphers", grammar.cipher_suites, grammar.SUITES_NOTE)


def _compression() -> Iterator[Annotation]:
    area = "compression"
    yield from exact(
        area,
        use_gzip=boolean,
        gzip_level=integer(1, 9),
        gzip_min_length=integer(0, 1 << 30),
        enable_brotli=boolean,
        brotli_level=integer(0, 11),
        brotli_min_length=integer(0, 1 << 30),
    )
    note = "without it those that Envoy compresses: texts, JSON, XML, JavaScript, fonts and SVG"
    yield differs(area, "gzip-types", _media_types, note)
    yield differs(area, "brotli-types", _media_types, note)


def _redirect_code(text: str) -> int:
    return int(one_of("301", "302", "303", "307", "308")(text))


def _paths(text: str) -> tuple[str, ...]:
    return tuple(grammar.path(one) for one in grammar.words(text))


def _media_types(text: str) -> tuple[str, ...]:
    found = tuple(text.split())
    if not found or len(found) > grammar.MOST_ENTRIES or not all(map(_MEDIA_TYPE.fullmatch, found)):
        raise InvalidValueError("media types such as text/html are expected, separated by spaces")
    return () if "*" in found else found


TABLE = {one.name: one for one in _rows()}
