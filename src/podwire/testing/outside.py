"""The way into a world from outside: its internet host, and the addresses of Services there and on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from podwire.testing.home import Home, Result
from podwire.testing.waiting import eventually

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

KINDS = ("LoadBalancer", "NodePort")
"""How a Service is reached; the first one that it has is used."""


@dataclass(frozen=True, repr=False)
class Outside:
    """The host outside of the cluster of the world `name`: a client there is one from the internet.

    Services are named NAME or NAMESPACE/NAME. `port` is the Service's; without it, its first one. Times are seconds.
    """

    home: Home
    name: str
    namespace: str
    run_in: Callable[..., Result]

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> Result:
        """Run a program of this machine there, as `podwire outside` does. Raises CommandError where it fails."""
        return self.run_in("outside", *command, check=check, timeout=timeout)

    def address(self, service: str, port: int = 0, *, timeout: float = 20) -> str:
        """ADDRESS:PORT of a Service as a client there reaches it: its load balancer's, else its node port's.

        Waits until it has one. Raises AssertionError: an internal load balancer has none there.
        """
        return str(self._way(service, port, timeout)["address"])

    def host_address(self, service: str, port: int = 0, *, timeout: float = 20) -> str:
        """ADDRESS:PORT of a Service on this machine's loopback, for clients that the test itself is; else as `address`.

        Connections arrive from the outside host.
        """
        return str(self._way(service, port, timeout)["host"])

    def _way(self, service: str, port: int, timeout: float) -> dict[str, Any]:
        namespace, _, name = service.rpartition("/")
        key = (namespace or self.namespace, name)

        def found() -> dict[str, Any]:
            ways = [one for one in self._services() if (one["namespace"], one["name"]) == key]
            usable = [one for one in ways if one["host"] and one["kind"] in KINDS and port in {0, one["port"]}]
            if not usable:
                raise AssertionError("; ".join(map(json.dumps, ways)) or "it has no load balancer and no node port")
            return min(usable, key=lambda one: KINDS.index(one["kind"]))

        return eventually(found, timeout, f"Service {'/'.join(key)} is reachable from outside")

    def _services(self) -> list[dict[str, Any]]:
        answer = self.home.podwire("status", "--name", self.name, "-o", "json")
        (status,) = json.loads(answer.stdout)
        return list(status["services"])
