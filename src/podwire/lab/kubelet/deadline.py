"""When a pod has been active for longer than it may: spec.activeDeadlineSeconds, counted from status.startTime."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Deadline:
    """Watches the time. `poke` is called when it is over."""

    def __init__(self, started: str, poke: Callable[[], None]) -> None:
        self._started = started
        self._poke = poke
        self._end: datetime | None = None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: int | None) -> None:
        """Set how long the pod may be active; a client may change it. None is without limit."""
        end = None if seconds is None else datetime.fromisoformat(self._started) + timedelta(seconds=seconds)
        if end != self._end:
            self.stop()
            self._end = end
            self._wait()

    def _wait(self) -> None:
        if self._end is not None:
            left = max(0.0, (self._end - datetime.now(UTC)).total_seconds())
            self._timer = asyncio.get_running_loop().call_later(left, self._ring)

    def _ring(self) -> None:
        if self.over:
            self._poke()
        else:  # the loop's clock is another one than that of the day
            self._wait()

    @property
    def over(self) -> bool:
        """Whether the pod must end."""
        return self._end is not None and datetime.now(UTC) >= self._end

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
