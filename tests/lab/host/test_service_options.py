import pytest

from podwire.lab.host.service_options import ServiceOptions, parse_range


def test_a_role_reads_the_same_options_again() -> None:
    for options in (
        ServiceOptions(),
        ServiceOptions((31000, 31000), external_ips=True),
        ServiceOptions(bgp=True, gateway_api=""),
    ):
        assert ServiceOptions.read(options.arguments()) == options


@pytest.mark.parametrize("text", ["", "30000", "0-10", "30000-70000", "10-9", "a-b", "1-2-3", "-5"])
def test_what_is_no_range_of_ports_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FIRST-LAST"):
        parse_range(text)
