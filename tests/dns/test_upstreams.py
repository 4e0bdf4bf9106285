import ipaddress
from pathlib import Path

import pytest

from podwire.dns.exchange import Upstream
from podwire.dns.upstreams import upstreams


def upstream(address: str, port: int = 53) -> Upstream:
    return Upstream(ipaddress.ip_address(address), port)


def test_addresses_and_files_are_taken_in_order_and_once(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# nameserver 192.0.2.9\nsearch example.org\nnameserver 192.0.2.1\nnameserver fd00::1\n")
    expected = [upstream("192.0.2.7", 5353), upstream("192.0.2.1"), upstream("fd00::1")]
    assert upstreams(["192.0.2.7:5353", str(file), "192.0.2.1"]) == expected


def test_a_nameserver_of_one_link_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver fe80::1%eth0\nnameserver here\nnameserver\n")
    assert upstreams([str(file)]) == []
    assert "fe80::1%eth0" in caplog.text
    assert "has no nameserver" in caplog.text


def test_a_text_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be an IP address"):
        upstreams(["example"])
    with pytest.raises(FileNotFoundError):
        upstreams([str(tmp_path / "missing")])
