"""Schedules of CronJobs: when a line of cron comes due.

    minute hour day-of-month month day-of-week      * or ?, 5, 1-5, MON-FRI, */10, 5/10 (from 5 on), lists of these
    @yearly @annually @monthly @weekly @daily @midnight @hourly, @every 1h30m

A day fits when its number and its weekday fit; where both are restricted, one of them is enough. The clock is that of a
time zone: what falls into the hour that is skipped in spring does not come, what falls into the one that comes twice
comes twice. Source: github.com/robfig/cron v3 `parser.go`, `spec.go`, which Kubernetes uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import msgspec

LONGEST_DELAY_SECONDS = 2**63 / 1e9
"""292 years: what a duration of Go holds, in nanoseconds."""

LONGEST_SEARCH = timedelta(days=5 * 366)
"""A schedule that does not come due within five years never does, such as on the 30th of February."""

_MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS: Final = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "may": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_DAYS: Final = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LOOK_BACK = (timedelta(hours=1), timedelta(days=1), timedelta(days=31), timedelta(days=366), LONGEST_SEARCH)


class ScheduleError(ValueError):
    """The text is no schedule, or the zone is unknown."""


class _Bounds(msgspec.Struct, frozen=True):
    """The numbers that a field may have, and names for them."""

    low: int
    high: int
    names: Mapping[str, int]


_FIELDS = (_Bounds(0, 59, {}), _Bounds(0, 23, {}), _Bounds(1, 31, {}), _Bounds(1, 12, _MONTHS), _Bounds(0, 6, _DAYS))


class Every(msgspec.Struct, frozen=True):
    """A fixed time between one occasion and the next."""

    delay: timedelta

    def after(self, moment: datetime) -> datetime | None:
        """The next occasion."""
        return moment.replace(microsecond=0) + self.delay

    def latest(self, since: datetime, now: datetime) -> datetime | None:
        """The last occasion after `since` that is not after `now`; None where there is none."""
        count = (now - since) // self.delay
        return since + count * self.delay if count > 0 else None


class Fields(msgspec.Struct, frozen=True):
    """Minutes, hours, days of the month, months and weekdays (0 is Sunday) by the clock of a zone.

    `either_day`: both kinds of days are restricted, and one that fits is enough.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    zone: tzinfo

    def after(self, moment: datetime) -> datetime | None:
        """The next occasion, in UTC; None where there is none within five years."""
        found = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = found + LONGEST_SEARCH
        while found < end:
            step = self._step(found.astimezone(self.zone))
            if step is None:
                return found
            found = max(found + timedelta(minutes=1), step.astimezone(UTC))
        return None

    def latest(self, since: datetime, now: datetime) -> datetime | None:
        """The last occasion after `since` that is not after `now`; None where there is none."""
        for span in _LOOK_BACK:
            found, following = None, self.after(max(since, now - span))
            while following is not None and following <= now:
                found, following = following, self.after(following)
            if found is not None or now - span <= since:
                return found
        return None

    def _step(self, local: datetime) -> datetime | None:
        """The next time to try; None if this minute matches."""
        if local.month not in self.months:
            first = local.replace(day=1, hour=0, minute=0, fold=0)
            return (first + timedelta(days=32)).replace(day=1)
        if not self._fits(local):
            return local.replace(hour=0, minute=0, fold=0) + timedelta(days=1)
        if local.hour not in self.hours:
            return (local.astimezone(UTC) + timedelta(minutes=60 - local.minute)).astimezone(self.zone)
        return None if local.minute in self.minutes else local.astimezone(UTC) + timedelta(minutes=1)

    def _fits(self, local: datetime) -> bool:
        fits = (local.day in self.days, local.isoweekday() % 7 in self.weekdays)
        return any(fits) if self.either_day else all(fits)


Schedule = Fields | Every


def schedule(text: str, zone: tzinfo = UTC) -> Schedule:
    """Parse a schedule. Raises ScheduleError with the text of kube-apiserver."""
    text = text.strip()
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith("@every "):
        return _every(text)
    if text.startswith("@"):
        if text not in _MACROS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _MACROS[text]
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    parts = [_field(field, bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (numbers for numbers, _ in parts)
    return Fields(minutes, hours, days, months, weekdays, not parts[2][1] and not parts[4][1], zone)


def zone_of(name: str) -> tzinfo:
    """A time zone by its name. Raises ScheduleError where there is none."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


def _field(text: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The numbers of one field, and whether a plain star is among them."""
    numbers: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        found, is_star = _part(part, bounds)
        numbers |= set(found)
        star = star or is_star
    return frozenset(numbers), star


def _part(text: str, bounds: _Bounds) -> tuple[range, bool]:
    span, *steps = text.split("/")
    low, *highs = span.split("-")
    star = low in {"*", "?"}
    if len(highs) > 1:
        raise ScheduleError(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    start = bounds.low if star else _number(low, bounds)
    end = bounds.high if star else _number(highs[0], bounds) if highs else start
    step = _number(steps[0], _Bounds(0, 0, {})) if steps else 1
    if steps and not star and not highs:
        end = bounds.high
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step), star and step == 1


def _number(text: str, bounds: _Bounds) -> int:
    named = bounds.names.get(text.lower())
    if named is not None:
        return named
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ScheduleError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _every(text: str) -> Every:
    """`@every` with a duration as Go writes them; less than a second is a second."""
    duration = text.removeprefix("@every ")
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)", duration)
    if not parts or "".join(map("".join, parts)) != duration:
        raise ScheduleError(f"failed to parse duration {text}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds >= LONGEST_DELAY_SECONDS:
        raise ScheduleError(f"failed to parse duration {text}")
    return Every(timedelta(seconds=max(1, int(seconds))))
