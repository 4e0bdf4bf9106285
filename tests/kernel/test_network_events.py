"""Changes of a node's own network are reported, those of pods are not."""

import select
import subprocess

from podwire.kernel.network_events import NetworkEvents, Report
from tests.sandbox import sandboxed


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


@sandboxed
def test_links_addresses_and_routes_are_reported_but_for_pods_and_our_own() -> None:
    events = NetworkEvents("pw", 112, 114)
    steps: tuple[tuple[str, set[Report]], ...] = (
        ("link add eth0 type veth peer name far", {Report.LINK}),
        ("link set eth0 addrgenmode none", set()),
        ("link set far addrgenmode none", set()),
        ("link set eth0 up", {Report.LINK}),
        ("link set far up", {Report.LINK}),
        ("address add 192.0.2.1/24 dev eth0", {Report.ADDRESS_ADDED, Report.ROUTE}),
        ("address add 2001:db8::1/64 dev eth0 nodad", {Report.ADDRESS_ADDED, Report.ROUTE}),
        ("route add default via 192.0.2.9", {Report.ROUTE}),
        ("-6 route add default via 2001:db8::9", {Report.ROUTE}),
        ("link add pw0123456789ab type bridge", set()),
        ("link set pw0123456789ab addrgenmode none", set()),
        ("link set pw0123456789ab up", set()),
        ("link set pw0123456789ab down", set()),
        ("link del pw0123456789ab", set()),
        ("route add 10.244.2.0/24 via 192.0.2.9 proto 112", set()),
        ("-6 route add fd00::/64 via 2001:db8::9 proto 113", set()),
        ("route del 10.244.2.0/24", set()),
        ("route add 10.244.2.0/24 via 192.0.2.9 proto 115", {Report.ROUTE}),
        ("route del default", {Report.ROUTE}),
        ("address del 192.0.2.1/24 dev eth0", {Report.ADDRESS_REMOVED, Report.ROUTE}),
        ("link del eth0", {Report.LINK, Report.ADDRESS_REMOVED}),
    )
    for command, expected in steps:
        ip(command)
        found = set(events.drain())
        while not expected <= found:  # IPv6 reports an address from a work queue
            assert select.select([events], [], [], 30.0)[0], (command, found)
            found |= events.drain()
        assert bool(expected) == bool(found), (command, found)
    events.close()


@sandboxed
def test_lost_reports_count_as_all_kinds() -> None:
    events = NetworkEvents("pw", 112, 114)
    events._reports._socket.setsockopt(1, 8, 1)  # SOL_SOCKET, SO_RCVBUF: the least that the kernel allows
    for number in range(10):
        ip(f"link add bridge{number} type bridge")
    assert events.drain() == frozenset(Report)
    events.close()
