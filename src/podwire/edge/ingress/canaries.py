"""Which requests go to a canary: what decides before its weight does, and what keeps a client on its side. Pure.

Source: kubernetes/ingress-nginx v1.15.1 `balancer.lua`, route_to_alternative_balancer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from podwire.edge.ingress.annotations import expression
from podwire.edge.ingress.annotations.settings import Settings
from podwire.edge.model.matches import ValueMatch, ValueType

SIDES = ("main", "canary")


def matches(settings: Settings) -> Iterator[tuple[ValueMatch, bool]]:
    """Yield what decides before the weights do, and whether it chooses the canary."""
    header, cookie = settings.canary_by_header.lower(), settings.canary_by_cookie
    if header and settings.canary_by_header_value:
        yield ValueMatch(header, ValueType.EXACT, settings.canary_by_header_value), True
    elif header and settings.canary_by_header_pattern:
        yield ValueMatch(header, ValueType.REGEX, expression.containing(settings.canary_by_header_pattern)), True
    elif header:
        yield ValueMatch(header, ValueType.EXACT, "always"), True
        yield ValueMatch(header, ValueType.EXACT, "never"), False
    if cookie:
        for value, to_canary in (("always", True), ("never", False)):
            yield cookie_match(cookie, value), to_canary


def side_cookie(settings: Settings) -> str:
    """Return the name of the cookie that keeps a client on its side; empty: none does."""
    if settings.affinity != "cookie" or settings.affinity_canary_behavior == "legacy":
        return ""
    return f"{settings.session_cookie_name}-canary"


def cookie_match(name: str, value: str) -> ValueMatch:
    """Return the match of a cookie among others."""
    pattern = rf"(?:.*;)?[ \t]*{re.escape(name)}={re.escape(value)}[ \t]*(?:;.*)?"
    return ValueMatch("cookie", ValueType.REGEX, pattern)
