"""The cookies by which a client stays at its endpoint, and at its side of a canary. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `balancer/sticky.lua`.
"""

from __future__ import annotations

from collections.abc import Iterator

from podwire.edge.ingress.locations import Location
from podwire.edge.model.filters import Header, SessionPersistence


def session(location: Location, *, is_plain: bool) -> SessionPersistence | None:
    """Return how a location keeps sessions; None: it does not. `is_plain`: its requests come in plain text."""
    settings = location.settings
    if settings.affinity != "cookie" or settings.service_upstream:
        return None
    return SessionPersistence(
        "Cookie",
        settings.session_cookie_name,
        float(settings.session_cookie_max_age),
        _path(location),
        tuple(_attributes(location, is_plain=is_plain)),
    )


def side_cookie(location: Location, name: str, side: str) -> str:
    """Return the Set-Cookie that keeps a client on a side of a canary."""
    age = location.settings.session_cookie_max_age
    return f"{name}={side}; Path={_path(location)}{f'; Max-Age={age}' if age else ''}; HttpOnly"


def _path(location: Location) -> str:
    """By default the path of the location; that of an expression cannot be a cookie's."""
    if location.settings.session_cookie_path:
        return location.settings.session_cookie_path
    return "/" if location.has_expression else location.path


def _attributes(location: Location, *, is_plain: bool) -> Iterator[Header]:
    settings = location.settings
    if settings.session_cookie_domain:
        yield Header("Domain", settings.session_cookie_domain)
    secure = settings.session_cookie_secure
    if secure or (secure is None and not is_plain):
        yield Header("Secure", "")
    if settings.session_cookie_samesite:
        yield Header("SameSite", settings.session_cookie_samesite)
