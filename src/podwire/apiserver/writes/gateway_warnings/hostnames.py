"""Hostnames of listeners and routes, as they are written: in any case, and empty for all names."""

from __future__ import annotations

from podwire.kube.hostnames import ANY, intersection


def intersect(first: str, second: str) -> bool:
    """Whether some host matches both hostnames."""
    return intersection(first.lower() or ANY, second.lower() or ANY) is not None
