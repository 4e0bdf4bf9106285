"""Hostnames of listeners, routes and virtual hosts: lower case; `*.example.com` or `*` at most, no port. Pure.

Source: Gateway API v1, `Listener.hostname` and `HTTPRouteSpec.hostnames`: a wildcard has any number of labels, and is
not the bare domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

ANY = "*"


def contains(pattern: str, hostname: str) -> bool:
    """Whether every host that `hostname` matches is matched by `pattern` too; either may be a wildcard."""
    if pattern in (ANY, hostname):
        return True
    return pattern.startswith("*.") and hostname != ANY and hostname.removeprefix("*").endswith(pattern[1:])


def intersection(one: str, other: str) -> str | None:
    """Return the narrower of two hostnames that overlap; None where no host matches both."""
    if contains(one, other):
        return other
    return one if contains(other, one) else None


def wildcards(hostname: str) -> Iterator[str]:
    """Yield the wildcards that contain a hostname, the narrowest first; not the hostname itself."""
    rest = hostname.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
    if hostname != ANY:
        yield ANY


def precedence(hostname: str) -> tuple[int, int]:
    """Sort key, the most specific first: without wildcard, then the longest."""
    return ("*" in hostname, -len(hostname))


def most_specific(hostname: str, patterns: Iterable[str]) -> str | None:
    """Return the most specific of the patterns that contain the hostname; None where none does."""
    return min((one for one in patterns if contains(one, hostname)), key=precedence, default=None)
