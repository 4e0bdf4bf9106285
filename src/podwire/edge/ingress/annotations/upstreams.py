"""Annotations of backends: which endpoint, how it is connected to, time-outs and further tries. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations import grammar, templates
from podwire.edge.ingress.annotations.annotation import LONGEST_SECONDS, Annotation, differs, exact, ignored, refused
from podwire.edge.ingress.annotations.grammar import boolean, integer, one_of, seconds

KEPT = "Envoy's own buffers are bounded and have no files"


def rows() -> Iterator[Annotation]:
    """Yield them all."""
    yield from _backends()
    yield from _affinity()
    yield from _times()
    yield from _bodies()
    yield from _tls()
    yield from _mirror()


def _backends() -> Iterator[Annotation]:
    area = "upstream"
    protocols = one_of("HTTP", "HTTPS", "GRPC", "GRPCS")
    yield differs(area, "backend-protocol", protocols, "AUTO_HTTP and FCGI are refused")
    yield from exact(
        area, upstream_vhost=grammar.hostname, server_alias=grammar.hostnames, service_upstream=boolean
    )  # fmt: skip
    note = "ewma is the better of two random endpoints by their open requests"
    yield differs(area, "load-balance", one_of("round_robin", "ewma"), note)
    note = "each variable is hashed for itself, on a ring of Envoy: a key has another endpoint than in nginx"
    yield differs(area, "upstream-hash-by", templates.hash_key, note)
    note = "a key has one endpoint in Envoy, not a set of them: use upstream-hash-by alone"
    yield from refused(area, note, "upstream-hash-by-subset", "upstream-hash-by-subset-size")
    yield differs(area, "proxy-http-version", one_of("1.1"), "1.0 is refused")
    note = "connections to backends are always kept: `keep-alive` is what happens, others are refused"
    yield differs(area, "connection-proxy-header", one_of("keep-alive"), note)


def _affinity() -> Iterator[Annotation]:
    note = "the cookie names the endpoint itself, which it keeps while that exists"
    yield differs("affinity", "affinity", one_of("cookie"), note)
    yield differs("affinity", "affinity-mode", one_of("balanced", "persistent"), f"in both modes {note}")
    note = "a second cookie, with -canary after its name, keeps the client on its side"
    yield differs("affinity", "affinity-canary-behavior", one_of("sticky", "legacy"), note)
    yield from exact(
        "affinity",
        session_cookie_name=grammar.token,
        session_cookie_path=grammar.path,
        session_cookie_domain=grammar.cookie_domain,
        session_cookie_max_age=integer(0, LONGEST_SECONDS),
        session_cookie_expires=integer(0, LONGEST_SECONDS),
        session_cookie_samesite=one_of("None", "Lax", "Strict"),
        session_cookie_secure=boolean,
        session_cookie_conditional_samesite_none=boolean,
    )
    note = "another try is at another endpoint, and the cookie names it, with `false` too"
    yield ignored("affinity", "session-cookie-change-on-failure", boolean, note, True)


def _times() -> Iterator[Annotation]:
    yield from exact("timeouts", proxy_connect_timeout=seconds)
    idle = "the longer of the read and the send time-out is the time without any byte in either direction"
    yield differs("timeouts", "proxy-read-timeout", seconds, idle)
    yield differs("timeouts", "proxy-send-timeout", seconds, idle)
    after = "a try that has no answer in time is not repeated; invalid_header is a failed connection"
    yield differs("timeouts", "proxy-next-upstream", _next_upstream, after)
    yield differs("timeouts", "proxy-next-upstream-tries", integer(0, 100), "0 is 100 tries")
    note = "Envoy has no limit of time for tries, only of their number: use proxy-next-upstream-tries"
    yield from refused("timeouts", note, "proxy-next-upstream-timeout")


def _bodies() -> Iterator[Annotation]:
    yield from exact("body", proxy_body_size=grammar.size)
    on_off = one_of("on", "off")
    buffered = "with `on` bodies are complete before they are sent where their limit is 16m or less, else sent at once"
    yield differs("body", "proxy-request-buffering", on_off, buffered)
    yield ignored("body", "client-body-buffer-size", grammar.size, KEPT)
    yield ignored("body", "proxy-buffering", on_off, f"a response is passed on at once, as with `off`: {KEPT}", "off")
    note = "headers of responses have up to 60k in any case; more is refused"
    yield differs("body", "proxy-buffer-size", grammar.bounded_size(60 << 10), note)
    for name in ("proxy-busy-buffers-size", "proxy-max-temp-file-size"):
        yield ignored("body", name, grammar.size, KEPT)
    yield ignored("body", "proxy-buffers-number", integer(1, 1024), KEPT)


def _tls() -> Iterator[Annotation]:
    area = "backend TLS"
    yield from exact(
        area,
        proxy_ssl_secret=grammar.object_name,
        proxy_ssl_server_name=grammar.on_off,
        proxy_ssl_protocols=grammar.tls_versions,
    )
    note = "a chain of any length to an authority of the Secret is verified"
    yield ignored(area, "proxy-ssl-verify-depth", integer(1, 100), note)
    note = "without proxy-ssl-name the certificate must be of `NAME.NAMESPACE.svc`, the Service"
    yield differs(area, "proxy-ssl-verify", grammar.on_off, note)
    yield differs(area, "proxy-ssl-name", grammar.hostname, note)
    yield differs(area, "proxy-ssl-ciphers", grammar.cipher_suites, grammar.SUITES_NOTE)


def _mirror() -> Iterator[Annotation]:
    note = (
        "as in auth-url; with its body a request is copied with its new path, without it with that of the URL; copies "
        "have the headers of the edge too (X-Forwarded-For and its kind)"
    )
    yield differs("mirror", "mirror-target", templates.url, note)
    yield from exact("mirror", mirror_host=grammar.hostname)
    yield differs("mirror", "mirror-request-body", grammar.on_off, note)


_CONDITIONS = (
    "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404",
    "http_429", "non_idempotent", "off",
)  # fmt: skip


def _next_upstream(text: str) -> tuple[str, ...]:
    return tuple(one_of(*_CONDITIONS)(one) for one in text.split())
