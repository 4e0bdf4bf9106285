"""The upstream servers of one `forward`: in which order they are tried, and which of them are down."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from podwire.dns.corefile.forward import Policy
from podwire.dns.exchange import Upstream

log = logging.getLogger(__name__)

Probe = Callable[[Upstream], Awaitable[bool]]
"""Send a health check; whether the server answered it in time."""


class UpstreamPool:
    """Servers that failed are checked until they answer; with `max_fails` failures in turn they are down.

    `order` is by policy; servers without a failure come first, those that are down last.
    """

    def __init__(
        self, servers: Sequence[Upstream], policy: Policy, probe: Probe, *, max_fails: int = 2, pause: float = 0.5
    ) -> None:
        self.servers = tuple(servers)
        self.answered = dict.fromkeys(map(str, servers), 0)
        self.failed = dict.fromkeys(map(str, servers), 0)
        """How often each server answered, and how often it failed: no answer in time, or one such as SERVFAIL."""
        self._policy = policy
        self._probe = probe
        self._max_fails = max_fails
        self._pause = pause
        self._fails = dict.fromkeys(self.servers, 0)
        self._checks: dict[Upstream, asyncio.Task[None]] = {}
        self._turns = itertools.count()

    def order(self) -> list[Upstream]:
        """The servers as they are tried for the next query."""
        servers = list(self.servers)
        if self._policy == "random":
            random.shuffle(servers)
        elif self._policy == "round_robin" and servers:
            turn = next(self._turns) % len(servers)
            servers = servers[turn:] + servers[:turn]
        servers.sort(key=lambda server: (self.is_down(server), self._fails[server] > 0))
        return servers

    def is_down(self, server: Upstream) -> bool:
        """Whether so many checks failed that others are tried first."""
        return 0 < self._max_fails <= self._fails[server]

    @property
    def all_down(self) -> bool:
        """Whether no server is left that is not down."""
        return bool(self.servers) and all(map(self.is_down, self.servers))

    def succeeded(self, server: Upstream) -> None:
        """Record a good answer."""
        self.answered[str(server)] += 1
        self._fails[server] = 0

    def failure(self, server: Upstream, *, silent: bool) -> None:
        """Record a failure; a silent server is checked until it answers."""
        self.failed[str(server)] += 1
        if not silent:
            return
        self._fails[server] += 1
        if server not in self._checks and self._max_fails:
            task = asyncio.get_running_loop().create_task(self._check(server))
            self._checks[server] = task
            task.add_done_callback(lambda _: self._checks.pop(server, None))

    def close(self) -> None:
        """End all checks."""
        for task in tuple(self._checks.values()):
            task.cancel()

    async def _check(self, server: Upstream) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                well = await self._probe(server)
            except Exception:
                log.exception("upstream %s cannot be checked", server)
                well = False
            if well:
                self._fails[server] = 0
                return
            self._fails[server] = min(self._fails[server] + 1, 1_000_000)
