"""Whether what a Gateway needs is in every Envoy that serves it: by acknowledgement, not by hope. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from podwire.edge.xds.proxy import Proxy
from podwire.edge.xds.resource import Key


class Programming(msgspec.Struct, frozen=True):
    """The state of one Gateway in its proxy.

    Attributes:
        addresses: of its Service.
        pending: by listener name why Envoys do not serve it yet; empty where they do.
        refusals: by listener name why an Envoy refuses it.

    """

    addresses: tuple[str, ...] = ()
    pending: Mapping[str, str] = {}
    refusals: Mapping[str, str] = {}

    def is_programmed(self, listener: str) -> bool:
        """Whether a listener's connections are served."""
        return not self.pending.get(listener) and not self.refusals.get(listener)


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
