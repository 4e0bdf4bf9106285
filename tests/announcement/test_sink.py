"""Announced addresses in the kernel, as another process may have left them."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Collection

import pytest

from podwire.announcement.rows import ProxyRow
from podwire.announcement.sink import ProxySink
from podwire.engine.row import Delta
from tests.sandbox import sandboxed


class Silent:
    """Sends no frames."""

    def announce(self, rows: Collection[ProxyRow]) -> None:
        """Send nothing."""

    def withdraw(self, rows: Collection[ProxyRow]) -> None:
        """Send nothing."""


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1"])
@sandboxed
async def test_an_address_on_two_links_is_written_again_on_one(text: str) -> None:
    ip("link", "add", "one", "type", "veth", "peer", "name", "two")
    sink, row = ProxySink(Silent()), ProxyRow(ipaddress.ip_address(text), "one")
    await sink.write(Delta((row,)))
    assert list(await sink.read()) == [row]
    ip("neigh", "add", "proxy", text, "dev", "two", "protocol", "114")
    (left,) = await sink.read()
    assert left.link == "", "no link is known to be the only one"
    await sink.write(Delta((row,), replaced=(left,)))
    assert list(await sink.read()) == [row]
    await sink.write(Delta(removals=(row,)))
    assert list(await sink.read()) == []
