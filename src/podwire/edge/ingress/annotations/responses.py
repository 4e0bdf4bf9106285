"""Annotations of responses: their headers, cookies and errors, cross-origin requests, TLS and logs. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations import grammar, templates
from podwire.edge.ingress.annotations.annotation import LONGEST_SECONDS, Annotation, differs, exact
from podwire.edge.ingress.annotations.grammar import boolean, integer
from podwire.edge.model.script import Replacement, Template


def rows() -> Iterator[Annotation]:
    """Yield them all."""
    yield from _headers()
    yield from _errors()
    yield from _cors()
    note = f"for the host of the Ingress; {grammar.SUITES_NOTE}"
    yield differs("TLS", "ssl-ciphers", grammar.cipher_suites, note)
    note = "no flag is needed; connections go to the backend of path `/`, and no other annotation is for them"
    yield differs("TLS", "ssl-passthrough", boolean, note)
    note = "the proxy's own order always counts, so `false` is not honoured"
    yield differs("TLS", "ssl-prefer-server-ciphers", grammar.only(boolean, True), note)
    yield from exact("logs", enable_access_log=boolean)
    note = "where the options of all Ingresses have a collector (otlp-collector-host)"
    yield differs("logs", "enable-opentelemetry", boolean, note)
    yield differs("logs", "opentelemetry-operation-name", grammar.quoted_text, "a text without variables")


def _headers() -> Iterator[Annotation]:
    note = "a ConfigMap of the Ingress's own namespace; all its headers are set"
    yield differs("answers", "custom-headers", grammar.object_name, note)
    note = "a text at the beginning of Location and Refresh, not an expression"
    yield differs("answers", "proxy-redirect-from", redirect_text, note)
    yield differs("answers", "proxy-redirect-to", redirect_text, note)
    note = "one pair of texts, not an expression"
    yield differs("answers", "proxy-cookie-domain", pair, note)
    yield differs("answers", "proxy-cookie-path", pair, note)


def _errors() -> Iterator[Annotation]:
    note = "without default-backend nothing is replaced; a page is requested without the client's other headers"
    yield differs("answers", "custom-http-errors", grammar.statuses, note)
    note = "a Service of the Ingress's own namespace, its first port; used for 503 of the proxy itself too"
    yield differs("answers", "default-backend", grammar.object_name, note)
    yield from exact("answers", disable_proxy_intercept_errors=boolean)


def _cors() -> Iterator[Annotation]:
    yield from exact(
        "cors",
        enable_cors=boolean,
        cors_allow_credentials=boolean,
        cors_max_age=integer(0, LONGEST_SECONDS),
        cors_expose_headers=grammar.tokens,
    )
    note = (
        "where origins are listed, only preflights (OPTIONS with Origin and Access-Control-Request-Method) are answered"
    )
    yield differs("cors", "cors-allow-origin", grammar.origins, f"{note} without the backend")
    note = "where origins are listed, it is in answers to preflights only"
    yield differs("cors", "cors-allow-methods", grammar.methods, note)
    yield differs("cors", "cors-allow-headers", grammar.tokens, note)


def redirect_text(text: str) -> Template:
    """Return the text of one side of a replacement; nothing for `off` and `default`, which replace nothing."""
    if text in {"off", "default"}:
        return ()
    if text.startswith("~"):
        raise grammar.InvalidValueError("a text is expected, not an expression")
    return templates.template(text)


def pair(text: str) -> Replacement | None:
    """Return what replaces what; None for `off`."""
    words = text.split()
    if words == ["off"]:
        return None
    if len(words) != 2 or words[0].startswith("~"):
        raise grammar.InvalidValueError("off, or two texts with a space between them, are expected")
    return Replacement(*map(templates.template, words))
