"""What the kernel holds of egress gateways is read back as it was written, and removed."""

from __future__ import annotations

import ipaddress

from podwire.egress.element_sink import ElementSink, is_loaded
from podwire.egress.route_sink import RouteSink
from podwire.egress.rows import THROW, UNREACHABLE, VIA, RouteRow, RuleRow, WayRow
from podwire.engine.row import Delta
from podwire.kernel import links
from podwire.kernel.element_row import ElementRow
from podwire.kernel.links import Vxlan
from podwire.kernel.netlink import Netlink
from tests.sandbox import sandboxed

POD4, POD6 = ipaddress.ip_address("10.244.1.2"), ipaddress.ip_address("fd00:10:244:1::2")
ALL4, ALL6 = ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")
TABLE = 0x7000002A
TUNNEL = "podwire.vxlan"


@sandboxed
async def test_elements_are_read_back_and_removed() -> None:
    assert not is_loaded()
    sink = ElementSink.here()
    assert list(await sink.read()) == []
    assert is_loaded()
    rows = (
        ElementRow("ranges4", (ipaddress.ip_network("10.244.0.0/16"),)),
        ElementRow("services6", (ipaddress.ip_network("fd00:10:96::/112"),)),
        ElementRow("nodes4", (ipaddress.ip_address("172.18.0.2"),)),
        ElementRow("nodes4", (ipaddress.ip_address("172.18.0.3"),)),
        ElementRow("addresses6", (ipaddress.ip_address("fd00:172:18::250:1"),)),
        ElementRow("leaving4", (POD4, ALL4), (ipaddress.ip_address("172.18.250.1"),)),
        ElementRow("leaving6", (POD6, ipaddress.ip_network("2001:db8::/32")), (POD6,)),
        ElementRow("leaving4", (ipaddress.ip_address("10.244.1.3"), ipaddress.ip_network("192.0.2.1/32")), (POD4,)),
        ElementRow("through6", (POD6, ALL6)),
    )
    await sink.write(Delta(rows))
    assert set(await sink.read()) == set(rows)
    await sink.write(Delta(removals=rows))
    assert list(await sink.read()) == []


@sandboxed
async def test_routes_and_rules_are_read_back_replaced_and_removed() -> None:
    with Netlink() as netlink:
        own = ipaddress.ip_address("172.18.0.2")
        netlink.run([links.bring_up("lo"), links.add_address(1, own)])
        tunnel = links.vxlan(TUNNEL, "02:00:00:00:00:01", 1450, Vxlan(1, 8472, own))
        netlink.run([tunnel, links.bring_up(TUNNEL)])
    sink = RouteSink()
    peer = ipaddress.ip_address("10.244.2.1")
    rows: tuple[RouteRow, ...] = (
        WayRow(TABLE, ipaddress.ip_network("10.244.0.0/16"), THROW),
        WayRow(TABLE, ALL4, UNREACHABLE),
        WayRow(TABLE, ALL6, UNREACHABLE),
        WayRow(TABLE, ipaddress.ip_network("fd00:10:244::/56"), THROW),
        WayRow(TABLE, ALL4, VIA, peer, TUNNEL),
        RuleRow(POD4, TABLE),
        RuleRow(POD6, TABLE),
    )
    await sink.write(Delta(rows))
    assert set(await sink.read()) == set(rows)
    await sink.write(Delta(rows))  # repeatable
    assert sorted(map(str, await sink.read())) == sorted(map(str, rows))
    moved = RuleRow(POD4, TABLE + 1)
    await sink.write(Delta((moved,), replaced=(RuleRow(POD4, TABLE),)))
    assert [row for row in await sink.read() if isinstance(row, RuleRow) and row.source == POD4] == [moved]
    await sink.write(Delta(removals=(*rows[:5], moved, rows[6])))
    assert list(await sink.read()) == []
