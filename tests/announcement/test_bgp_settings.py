"""AS numbers and peers as flags have them."""

import pytest

from podwire.announcement.bgp_settings import BgpPeer, PeerError, as_number, peer


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1:64512", BgpPeer("192.0.2.1", 64512)),
        ("[2001:DB8::1]:4200000000", BgpPeer("2001:db8::1", 4200000000)),
    ],
)
def test_peers(text: str, found: BgpPeer) -> None:
    assert peer(text) == found
    assert found.version == (6 if ":" in found.address else 4)


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1",
        "64512",
        "2001:db8::1:64512",
        "[192.0.2.1]:64512",
        "[fe80::1%eth0]:1",
        "192.0.2.1:",
        "router:64512",
        "",
    ],
)
def test_what_is_no_peer(text: str) -> None:
    with pytest.raises(PeerError, match=r"write 1 to|such as"):
        peer(text)


@pytest.mark.parametrize("text", ["0", "4294967296", "-1", "64.512", "1 ", "a", "²"])
def test_what_is_no_as_number(text: str) -> None:
    with pytest.raises(PeerError):
        as_number(text)
