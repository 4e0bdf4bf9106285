"""Annotations of who may send requests, and how many. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations import expression, grammar, templates
from podwire.edge.ingress.annotations.annotation import MOST, Annotation, alias, differs, exact, ignored, refused
from podwire.edge.ingress.annotations.grammar import boolean, integer, one_of

OWN_NAMESPACE = "of the Ingress's own namespace"


def rows() -> Iterator[Annotation]:
    """Yield them all."""
    yield from exact("addresses", allowlist_source_range=grammar.networks, denylist_source_range=grammar.networks)
    yield alias("addresses", "whitelist-source-range", grammar.networks, "allowlist-source-range")
    yield from _users()
    yield from _authorization()
    yield from _client_certificates()
    yield from _limits()


def _users() -> Iterator[Annotation]:
    yield differs("basic auth", "auth-type", one_of("basic"), "digest authentication is refused")
    note = f"a Secret {OWN_NAMESPACE}; {{SHA}}, {{SSHA}}, {{PLAIN}}, apr1, bcrypt and crypt's MD5, SHA-256 and SHA-512"
    yield differs("basic auth", "auth-secret", grammar.object_name, note)
    note = "without it, and with {SHA} alone, the realm is the URL of the request"
    yield differs("basic auth", "auth-realm", grammar.quoted_text, note)
    yield from exact("basic auth", auth_secret_type=one_of("auth-file", "auth-map"), satisfy=one_of("all", "any"))


def _authorization() -> Iterator[Annotation]:
    area = "external auth"
    note = (
        "a Service (`NAME.NAMESPACE.svc.cluster.local`) without cluster DNS; a host `$host` is the backend of its path "
        "in the same host; other names are resolved by the proxy"
    )
    yield differs(area, "auth-url", templates.url, note)
    yield from exact(
        area,
        auth_method=one_of("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
        auth_signin=templates.redirect_url,
        auth_signin_redirect_param=grammar.token,
        auth_request_redirect=templates.template,
        auth_response_headers=grammar.tokens,
        auth_always_set_cookie=boolean,
        enable_global_auth=boolean,
    )
    yield differs(area, "auth-proxy-set-headers", grammar.object_name, f"a ConfigMap {OWN_NAMESPACE}")
    note = "kept in each worker of an Envoy, at most 1,000 answers"
    yield differs(area, "auth-cache-key", templates.template, note)
    yield differs(area, "auth-cache-duration", grammar.durations, note)
    kept = "connections to the service are always kept, as many as are needed"
    yield ignored(area, "auth-keepalive", integer(0, MOST), kept)
    yield ignored(area, "auth-keepalive-requests", integer(0, MOST), kept)
    yield ignored(area, "auth-keepalive-timeout", integer(0, MOST), kept)
    note = "requests share their variables with it in any case"
    yield ignored(area, "auth-keepalive-share-vars", boolean, note, True)


def _client_certificates() -> Iterator[Annotation]:
    area = "client certificates"
    note = f"a Secret {OWN_NAMESPACE} with ca.crt; requests in plain text have no certificate, so `on` refuses them"
    yield differs(area, "auth-tls-secret", grammar.object_name, note)
    note = "of a certificate `optional_no_ca` verifies only the time; ssl-client-verify has no reason after FAILED"
    yield differs(area, "auth-tls-verify-client", one_of("on", "off", "optional", "optional_no_ca"), note)
    yield from exact(area, auth_tls_verify_depth=integer(1, 100))
    note = "without it a header `ssl-client-cert` that a client sends does not reach the backend"
    yield differs(area, "auth-tls-pass-certificate-to-upstream", boolean, note)
    yield differs(area, "auth-tls-error-page", templates.redirect_url, "a URL; a path or a named location is refused")
    yield differs(area, "auth-tls-match-cn", expression.expression, expression.NOTE)


def _limits() -> Iterator[Annotation]:
    counted = "counted for each path of the Ingress, in each Envoy"
    yield differs("limits", "limit-rps", integer(0, MOST), counted)
    yield differs("limits", "limit-rpm", integer(0, MOST), counted)
    yield differs("limits", "limit-connections", integer(0, MOST), "counted by each worker of an Envoy")
    yield from exact("limits", limit_burst_multiplier=integer(1, 1000), limit_allowlist=grammar.networks)
    yield alias("limits", "limit-whitelist", grammar.networks, "limit-allowlist")
    note = "a limit of bytes by time is shared by all requests in Envoy: limit their number by limit-rps"
    yield from refused("limits", note, "limit-rate", "limit-rate-after")
