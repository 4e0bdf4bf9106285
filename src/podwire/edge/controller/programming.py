"""Whether what a Gateway needs is in every Envoy that serves it: by acknowledgement, not by hope. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import Key


def pending(proxy: Proxy | None, ready: Collection[str], keys: Iterable[Key]) -> str:
    """Return why these resources are not served by every ready Envoy of a proxy; empty where they are."""
    if not ready:
        return "no Envoy is ready"
    if proxy is None:
        return "the configuration is being made"
    absent = frozenset(ready) - proxy.envoys()
    if absent:
        return f"Envoy {min(absent)} is not connected"
    lacking = frozenset(ready) & proxy.lacking(keys)
    return f"Envoy {min(lacking)} has not acknowledged it" if lacking else ""


def refusal(proxy: Proxy | None, keys: Iterable[Key]) -> str:
    """Return why an Envoy refuses one of these resources; empty where none does."""
    if proxy is None:
        return ""
    return next((reason for key in keys if (reason := proxy.refusal(key))), "")
