from datetime import timedelta

import pytest

from podwire.apiserver.custom import formats

GOOD = {
    "byte": "aGk=",
    "cidr": "10.0.0.0/8",
    "date": "2026-02-28",
    "date-time": "2026-02-28T10:00:00.5Z",
    "duration": "1h30m0.5s",
    "email": "a@example.com",
    "hostname": "a.example.com",
    "ipv4": "10.0.0.1",
    "ipv6": "fd00::1",
    "mac": "02:00:00:00:00:01",
    "uri": "https://example.com/a?b=c",
    "uuid": "0ce523cd-e158-4271-bb4f-2e28ba4a4cae",
}
BAD = {
    "byte": "a",
    "cidr": "10.0.0.0",
    "date": "2026-02-30",
    "date-time": "2026-02-28",
    "duration": "1 hour",
    "email": "a",
    "hostname": "-a.example.com",
    "ipv4": "fd00::1",
    "ipv6": "10.0.0.1",
    "mac": "02:00",
    "uri": "not a uri",
    "uuid": "0ce523cd",
}


@pytest.mark.parametrize("name", GOOD)
def test_formats_accept_right_values_and_refuse_wrong_ones(name: str) -> None:
    assert formats.fits(name, GOOD[name])
    assert not formats.fits(name, BAD[name])


def test_an_unknown_format_is_not_checked() -> None:
    assert formats.fits("color", "anything")


def test_durations_have_gos_form() -> None:
    assert formats.duration("1h30m") == timedelta(minutes=90)
    assert formats.duration("-1.5s") == timedelta(seconds=-1.5)
    assert formats.duration("0") == timedelta()
    assert formats.duration("90") is None
    assert formats.duration("") is None
