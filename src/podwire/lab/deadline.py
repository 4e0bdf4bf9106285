"""When a pod has been active for longer than it may: spec.activeDeadlineSeconds, counted from status.startTime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Deadline:
    """`over` says whether the time is up; `poke` is called when it is. No seconds: never."""

    def __init__(self, seconds: int | None, started: str, poke: Callable[[], None]) -> None:
        self._end = None if seconds is None else datetime.fromisoformat(started) + timedelta(seconds=seconds)
        self._timer: asyncio.TimerHandle | None = None
        if self._end is not None:
            left = max(0.0, (self._end - datetime.now(UTC)).total_seconds())
            self._timer = asyncio.get_running_loop().call_later(left, poke)

    @property
    def over(self) -> bool:
        """Whether the pod shall end."""
        return self._end is not None and datetime.now(UTC) >= self._end

    def stop(self) -> None:
        """Nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
