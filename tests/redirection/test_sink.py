"""What the kernel holds of redirection is read back as it was written; packets with the mark are delivered here."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from importlib import resources

import pytest

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import sysctl
from podwire.kernel.netlink import Netlink
from podwire.redirection import capture
from podwire.redirection.frontend_sink import FrontendSink
from podwire.redirection.rows import frontend_rows, peer_rows, pod_rows, range_rows, routed_rows
from podwire.redirection.sink import RedirectionSink, is_loaded, way_removal
from tests.sandbox import sandboxed

FOUR, SIX = ipaddress.ip_address("10.244.1.5"), ipaddress.ip_address("fd00::5")
RANGES = (ipaddress.ip_network("10.244.0.0/16"), ipaddress.ip_network("fd00::/56"))


@sandboxed
async def test_elements_are_read_back_and_removed() -> None:
    assert not is_loaded()
    sink = RedirectionSink.here(sysctl.write)
    assert list(await sink.read()) == []
    assert is_loaded()
    rows = (*pod_rows((FOUR, SIX)), *peer_rows((FOUR, SIX)), *range_rows(RANGES))
    await sink.write(Delta(rows))
    assert set(await sink.read()) == set(rows)
    await sink.write(Delta(removals=rows))
    assert list(await sink.read()) == []


@sandboxed
async def test_frontends_are_kept_beside_the_rows_of_the_agent() -> None:
    frontends = FrontendSink.here()
    with pytest.raises(SinkError, match="agent"):
        await frontends.read()
    agent = RedirectionSink.here(sysctl.write)
    await agent.read()
    rows = (*frontend_rows((FOUR, SIX), 8080), *routed_rows((FOUR, SIX), (FOUR, SIX), 8080))
    assert len(rows) == 4
    await frontends.write(Delta(rows))
    assert set(await frontends.read()) == set(rows)
    assert list(await agent.read()) == []
    await frontends.write(Delta(removals=rows))
    assert list(await frontends.read()) == []


@sandboxed
async def test_the_way_to_envoy_is_made_once() -> None:
    for _ in range(2):
        await RedirectionSink.here(sysctl.write).read()
    assert_way()
    with Netlink() as netlink:
        netlink.run(way_removal())
        netlink.run(way_removal())  # repeatable
    assert not ways()


def ways() -> list[str]:
    words = (("-4", "rule"), ("-6", "rule"), ("-4", "route", "show", "table", "28781"))
    found = (subprocess.run(["ip", *one], capture_output=True, text=True, check=False).stdout for one in words)
    return [line for text in found for line in text.splitlines() if "28781" in line or "local" in line.split()[:1]]


def assert_way() -> None:
    for family in ("-4", "-6"):
        rules = subprocess.check_output(["ip", family, "rule"], text=True)
        assert len(re.findall(r"from all fwmark 0x10000/0x10000 lookup 28781", rules)) == 1
        way = ["ip", family, "route", "get", "2001:db8::1" if family == "-6" else "192.0.2.1"]
        assert "local" in subprocess.check_output([*way, "mark", hex(capture.MARK)], text=True)
        assert "local" not in subprocess.run(way, capture_output=True, text=True, check=False).stdout
    assert sysctl.read("net/ipv4/ip_local_port_range").split() == ["32768", "65535"]


def test_the_rules_have_the_numbers_of_the_module() -> None:
    text = resources.files("podwire.redirection").joinpath("redirection.nft").read_text()
    defined = dict(re.findall(r"^redefine (\w+) = (\S+)$", text, re.MULTILINE))
    first, last = capture.MESH_PORTS
    assert defined == {
        "MARK": hex(capture.MARK),
        "TLS_SOURCE_PORTS": f"{first}-{last}",
        "OUTBOUND_PORT": str(capture.OUTBOUND_PORT),
        "ROUTED_PORT": str(capture.ROUTED_PORT),
        "INBOUND_PORT": str(capture.INBOUND_PORT),
        "INBOUND_TLS_PORT": str(capture.INBOUND_TLS_PORT),
        "REDIRECTED": "62",
        "ROUTABLE": "63",
    }


def test_labels_are_those_of_services_and_policies() -> None:
    services = resources.files("podwire.services").joinpath("services.nft").read_text()
    assert "redefine REDIRECTED = 62\n" in services
    policies = resources.files("podwire.policy").joinpath("routable.nft").read_text()
    assert "redefine ROUTABLE = 63\n" in policies
