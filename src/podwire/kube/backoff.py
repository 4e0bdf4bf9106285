"""Delays between tries that grow up to a limit, each one random within its step: no I/O."""

from __future__ import annotations

import random

import msgspec


class Backoff(msgspec.Struct):
    """Seconds to wait before the next try: `first`, then times `growth` each, at most `longest`, up to a tenth more."""

    first: float
    longest: float
    growth: float = 2.0
    _next: float = 0.0

    def step(self) -> float:
        """The delay before the next try, after one more failure."""
        self._next = min(max(self._next * self.growth, self.first), self.longest)
        return self._next * random.uniform(1, 1.1)  # noqa: S311 spreads load, no secret

    def reset(self) -> None:
        """A try went well: the next failure waits for `first` again."""
        self._next = 0.0
