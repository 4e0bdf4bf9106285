from __future__ import annotations

import pytest

from podwire.lab.streams.forwarding.channel_tunnel import ChannelTunnel, PortsError, ports
from podwire.lab.streams.forwarding.tunnel import Connect, Input


def test_each_port_has_two_channels_that_begin_with_it() -> None:
    tunnel = ChannelTunnel((80, 8443))
    assert tunnel.begin() == [Connect(0, 80), Connect(1, 8443)]
    assert tunnel.unsent() == [b"\0\x50\0", b"\1\x50\0", b"\2\xfb\x20", b"\3\xfb\x20"]
    assert tunnel.unsent() == []


def test_bytes_go_both_ways_until_all_is_done() -> None:
    tunnel = ChannelTunnel((80, 81))
    tunnel.unsent()
    assert tunnel.receive(b"\2hello") == [Input(1, b"hello")]
    tunnel.output(1, b"there")
    tunnel.close(1)
    tunnel.output(1, b"late")
    assert not tunnel.ended
    tunnel.close(0, "refused")
    assert tunnel.unsent() == [b"\2there", b"\1refused"]
    assert tunnel.ended


@pytest.mark.parametrize("message", [b"", b"\0", b"\1error", b"\x04more", b"\xff"])
def test_messages_that_mean_nothing_are_passed_over(message: bytes) -> None:
    assert ChannelTunnel((80, 81)).receive(message) == []


def test_ports_come_one_by_one_or_with_commas() -> None:
    assert ports(["80", "443, 8080"]) == (80, 443, 8080)


@pytest.mark.parametrize("values", [[], [""], ["x"], ["0"], ["65536"], ["80,"], ["1"] * 65])
def test_ports_that_are_none_are_refused(values: list[str]) -> None:
    with pytest.raises(PortsError, match="ports: "):
        ports(values)
