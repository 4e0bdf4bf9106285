"""Cross-origin requests: every origin, or those that are listed. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `nginx.tmpl`, CORS.
"""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.model.filters import Cors, Header


def open_headers(settings: Settings) -> Iterator[Header]:
    """Yield the headers of every response where every origin is allowed.

    The answer is `*`, for which browsers send no credentials: an echoed origin would hand every site what a user may
    read.
    """
    if not settings.enable_cors or "*" not in settings.cors_allow_origin:
        return
    yield Header("Access-Control-Allow-Origin", "*")
    if settings.cors_allow_credentials:
        yield Header("Access-Control-Allow-Credentials", "true")
    yield Header("Access-Control-Allow-Methods", ", ".join(settings.cors_allow_methods))
    yield Header("Access-Control-Allow-Headers", ",".join(settings.cors_allow_headers))
    if settings.cors_expose_headers:
        yield Header("Access-Control-Expose-Headers", ",".join(settings.cors_expose_headers))
    yield Header("Access-Control-Max-Age", str(settings.cors_max_age))


def listed(settings: Settings) -> Cors | None:
    """Return the origins that are listed, which the proxy compares."""
    if not settings.enable_cors or "*" in settings.cors_allow_origin:
        return None
    return Cors(
        origins=settings.cors_allow_origin,
        methods=settings.cors_allow_methods,
        headers=settings.cors_allow_headers,
        expose=settings.cors_expose_headers,
        credentials=settings.cors_allow_credentials,
        max_age=settings.cors_max_age,
        as_nginx=True,
    )
