"""Annotations of paths, redirects and canaries. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations import expression, grammar, templates
from podwire.edge.ingress.annotations.annotation import MOST, Annotation, differs, exact, ignored
from podwire.edge.ingress.annotations.grammar import boolean, integer


def rows() -> Iterator[Annotation]:
    """Yield them all."""
    yield from _paths()
    yield from _redirects()
    yield from _canary()


def _paths() -> Iterator[Annotation]:
    yield from exact("paths", app_root=grammar.path, use_regex=boolean, x_forwarded_prefix=grammar.text_value)
    note = "applied to the path as it was sent, after normalisation: `%20` is not decoded before it is matched"
    yield differs("paths", "rewrite-target", expression.target, note)
    note = "a slash at the end of a path is always kept in redirects, so `false` is not honoured"
    yield differs("paths", "preserve-trailing-slash", grammar.only(boolean, True), note)


def _redirects() -> Iterator[Annotation]:
    kept = "a slash at the end of the path is kept"
    yield differs("redirects", "ssl-redirect", boolean, kept)
    yield differs("redirects", "force-ssl-redirect", boolean, kept)
    yield from exact(
        "redirects",
        permanent_redirect=templates.redirect_url,
        permanent_redirect_code=integer(300, 308),
        temporal_redirect=templates.redirect_url,
        temporal_redirect_code=integer(300, 307),
        from_to_www_redirect=boolean,
    )
    note = "the port of HTTPS is 443, which is not written"
    yield ignored("redirects", "use-port-in-redirects", boolean, note, False)
    note = "every redirect of an annotation names its host, as in ingress-nginx"
    yield ignored("redirects", "relative-redirects", boolean, note, False)


def _canary() -> Iterator[Annotation]:
    yield from exact(
        "canary",
        canary=boolean,
        canary_by_header=grammar.token,
        canary_by_header_value=grammar.text_value,
        canary_by_cookie=grammar.token,
        canary_weight=integer(0, MOST),
        canary_weight_total=integer(100, MOST),
    )
    yield differs("canary", "canary-by-header-pattern", expression.expression, expression.NOTE)
