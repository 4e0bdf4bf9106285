"""Gateways that move from one proxy to another: the one before serves until the new one does, and a while after.

A Gateway moves when it gains or loses a `parametersRef`. Pure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from podwire.kube.meta import NamespacedName

LINGER_SECONDS = 5.0
"""From the Service's change of endpoints to the end of the listeners before: every node has programmed it by then."""


class ProxyMoves:
    """Which proxy the Service of each Gateway forwards to, and which ones it did before. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._serving: dict[NamespacedName, str] = {}
        self._since: dict[tuple[NamespacedName, str], float] = {}
        """When the Service stopped forwarding to a proxy."""

    def serving(self, gateway: NamespacedName, desired: str, is_served: Callable[[], bool]) -> str:
        """Return the proxy that the Service must forward to: the desired one if that serves or is the only one."""
        current = self._serving.setdefault(gateway, desired)
        if current != desired and is_served():
            self._since[gateway, current] = self._clock()
            self._serving[gateway] = current = desired
        self._since.pop((gateway, current), None)
        return current

    def needed(self, gateway: NamespacedName) -> frozenset[str]:
        """Return the proxies whose listeners of the Gateway are in use."""
        return frozenset((*self._of(gateway), *(one for one, _ in self._lingering(gateway))))

    def again(self, gateway: NamespacedName) -> float | None:
        """Return in how many seconds a proxy is not needed any more; None: there is none such."""
        return min((left for _, left in self._lingering(gateway)), default=None)

    def remove(self, gateway: NamespacedName) -> None:
        """Remove a Gateway that no longer exists."""
        self._serving.pop(gateway, None)
        for key in [one for one in self._since if one[0] == gateway]:
            del self._since[key]

    def proxies(self) -> frozenset[str]:
        """Return the proxies that some Service forwards to."""
        return frozenset(self._serving.values())

    def _of(self, gateway: NamespacedName) -> Iterable[str]:
        return (self._serving[gateway],) if gateway in self._serving else ()

    def _lingering(self, gateway: NamespacedName) -> Iterator[tuple[str, float]]:
        now = self._clock()
        for (key, proxy), since in self._since.items():
            if key == gateway and since + LINGER_SECONDS > now:
                yield proxy, since + LINGER_SECONDS - now
