from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from podwire.kube.schedules import Every, ScheduleError, schedule, zone_of

pytestmark = pytest.mark.proves("cron-schedule")

START = datetime(2026, 1, 1, 12, 30, 15, tzinfo=UTC)  # a Thursday


def nexts(text: str, start: datetime = START, count: int = 3, zone: str = "UTC") -> list[str]:
    found, moment = [], start
    for _ in range(count):
        following = schedule(text, zone_of(zone)).after(moment)
        assert following is not None
        moment = following
        found.append(moment.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", ["01-01 12:31", "01-01 12:32", "01-01 12:33"]),
        ("*/20 * * * *", ["01-01 12:40", "01-01 13:00", "01-01 13:20"]),
        ("5/20 * * * *", ["01-01 12:45", "01-01 13:05", "01-01 13:25"]),
        ("0 8-10/2 * * *", ["01-02 08:00", "01-02 10:00", "01-03 08:00"]),
        ("15,45 0 * * *", ["01-02 00:15", "01-02 00:45", "01-03 00:15"]),
        ("0 9 * * MON-fri", ["01-02 09:00", "01-05 09:00", "01-06 09:00"]),
        ("0 0 1 Feb,mar ?", ["02-01 00:00", "03-01 00:00", "02-01 00:00"]),
        ("0 0 13 * 5", ["01-02 00:00", "01-09 00:00", "01-13 00:00"]),
        ("0 0 */10 * 5", ["01-02 00:00", "01-09 00:00", "01-11 00:00"]),
        ("0 0 31 * *", ["01-31 00:00", "03-31 00:00", "05-31 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        ("@hourly", ["01-01 13:00", "01-01 14:00", "01-01 15:00"]),
        ("@midnight", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
        ("@weekly", ["01-04 00:00", "01-11 00:00", "01-18 00:00"]),
        ("@yearly", ["01-01 00:00", "01-01 00:00", "01-01 00:00"]),
    ],
)
def test_when_it_comes_due(text: str, expected: list[str]) -> None:
    assert nexts(text) == expected


def test_zones_have_their_own_clock() -> None:
    assert schedule("0 9 * * *", zone_of("Asia/Tokyo")).after(START) == datetime(2026, 1, 2, 0, tzinfo=UTC)


def test_an_hour_that_is_skipped_brings_nothing_and_one_that_comes_twice_brings_two() -> None:
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert nexts("30 2 * * *", spring, 2, "Europe/Berlin") == ["03-30 02:30", "03-31 02:30"]
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert nexts("30 2 * * *", autumn, 3, "Europe/Berlin") == ["10-25 02:30", "10-25 02:30", "10-26 02:30"]


def test_a_midnight_that_is_skipped_does_not_stop_the_search() -> None:
    before = datetime(2018, 11, 3, 12, tzinfo=UTC)  # in Brazil the clock went from 0:00 to 1:00 on the 4th
    assert nexts("0 5 * * *", before, 2, "America/Sao_Paulo") == ["11-04 05:00", "11-05 05:00"]


def test_what_never_comes() -> None:
    assert schedule("0 0 30 2 *").after(START) is None
    assert schedule("0 0 30 2 *").latest(START - timedelta(days=900), START) is None


@pytest.mark.parametrize(("text", "seconds"), [("@every 1h30m", 5400), ("@every 90s", 90), ("@every 5ms", 1)])
def test_fixed_times_between(text: str, seconds: int) -> None:
    found = schedule(text)
    assert found == Every(timedelta(seconds=seconds))
    assert found.after(START) == START + timedelta(seconds=seconds)
    assert found.latest(START, START + timedelta(seconds=3.5 * seconds)) == START + timedelta(seconds=3 * seconds)
    assert found.latest(START, START + timedelta(seconds=0.5 * seconds)) is None


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        ("* * * * *", timedelta(days=300), START.replace(second=0)),
        ("0 3 * * *", timedelta(days=300), START.replace(hour=3, minute=0, second=0)),
        ("0 0 1 6 *", timedelta(days=300), datetime(2025, 6, 1, tzinfo=UTC)),
        ("0 0 1 6 *", timedelta(days=30), None),
        ("0 * * * *", timedelta(minutes=20), None),
    ],
)
def test_the_latest_occasion(text: str, since: timedelta, expected: datetime | None) -> None:
    assert schedule(text).latest(START - since, START) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", "failed to parse duration @every soon"),
        ("@every 2562048h", "failed to parse duration @every 2562048h"),
    ],
)
def test_what_is_no_schedule(text: str, message: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        schedule(text)
    assert str(refused.value) == message


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", ""])
def test_unknown_zones(name: str) -> None:
    with pytest.raises(ScheduleError, match="unknown time zone"):
        zone_of(name)
