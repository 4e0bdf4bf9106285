"""A node is after `podwire cni remove` as it was before podwire came, but for what is another's."""

import contextlib
import ipaddress
import subprocess
from pathlib import Path

from podwire.agent import node_restoration
from podwire.announcement.rows import ProxyRow
from podwire.announcement.sink import ProxySink
from podwire.egress.element_sink import ElementSink
from podwire.egress.route_sink import RouteSink
from podwire.egress.rows import UNREACHABLE, RuleRow, WayRow
from podwire.engine.row import Delta
from podwire.kernel import links, routes, sysctl
from podwire.kernel.netlink import Netlink
from podwire.kernel.routes import Route
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.pods import links as pod_links
from podwire.pods.attachment import LINK_PREFIX, Attachment, AttachmentKey, PodIdentity
from podwire.pods.node_routes import NodeRouteSink
from podwire.pods.rows import TunnelRow
from podwire.pods.runtime import node_files
from podwire.pods.runtime.node_files import NodeFiles
from podwire.pods.sink import PodSetSink
from podwire.policy.sink import PolicySink
from podwire.services.sink import ServiceSink
from podwire.testing import eventually
from tests.announcement.test_sink import Silent
from tests.sandbox import sandboxed

COMMANDS = (
    ("nft", "list", "ruleset"),
    ("ip", "rule"),
    ("ip", "-6", "rule"),
    ("ip", "route", "show", "table", "all"),
    ("ip", "-6", "route", "show", "table", "all"),
    ("ip", "-o", "link"),
    ("ip", "neigh", "show", "proxy"),
)
FILES = NodeFiles(Path("/run/state"), Path("/run/bin"), Path("/run/net.d"))


def look() -> dict[str, str]:
    """Everything of the node that an agent may change."""
    found = {}
    for command in COMMANDS:
        found[" ".join(command)] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for one in sorted(Path("/proc/sys/net").rglob("*")):
        with contextlib.suppress(OSError):  # folders, and parameters without a value
            found[str(one)] = one.read_text()
    found["files"] = " ".join(sorted(map(str, (*FILES.plugins.rglob("*"), *FILES.configurations.rglob("*")))))
    return found


async def as_an_agent_leaves_it() -> None:
    """What the agent writes, by its own sinks."""
    record = SysctlRecord(FILES.state / "sysctls.json")
    node_files.place(FILES)
    pod_links.prepare_node(record.write)
    await PodSetSink.cluster_here(overlay=True).read()
    await ServiceSink.here().read()
    await PolicySink.here(record.write).read()
    await ElementSink.here().read()
    pod, table = ipaddress.ip_address("10.244.1.2"), 0x7000002A
    ways = (WayRow(table, ipaddress.ip_network("0.0.0.0/0"), UNREACHABLE), RuleRow(pod, table))
    await RouteSink().write(Delta(ways))
    tunnel = TunnelRow(4242, 4789, ipaddress.ip_address("192.0.2.1"), "02:00:00:00:00:01", 1450)
    await NodeRouteSink().write(Delta((tunnel,), (), ()))
    announced = ProxyRow(ipaddress.ip_address("198.51.100.7"), "uplink")
    await ProxySink(Silent(), record.write).write(Delta((announced,), (), ()))
    with Netlink() as netlink:
        netlink.run([routes.replace_route(Route(ipaddress.ip_network("10.244.0.0/24"), pod_links.ROUTE_PROTOCOL, 0))])


def link_locals_are_complete() -> bool:
    """Whether the kernel has made the routes to the links' own IPv6 addresses, which come later than these."""
    command = ("ip", "-6", "route", "show", "table", "local")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum(line.startswith("local fe80:") for line in listed.splitlines()) == 2


def prepare() -> None:
    """A node with an uplink, and rules and routes of its own."""
    for command in (
        "ip link add uplink type veth peer name far",
        "ip address add 192.0.2.1/24 dev uplink",
        "ip link set uplink up",
        "ip link set far up",
        "ip route add 203.0.113.0/24 via 192.0.2.254 proto 42",
        "nft add table inet podwired",
        "nft add table inet firewall",
        "nft list table inet firewall",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    eventually(link_locals_are_complete, what="duplicate address detection of both links")
    sysctl.write({"net/ipv4/conf/all/accept_redirects": 0})
    for folder in (FILES.plugins, FILES.configurations):
        folder.mkdir()
    (FILES.configurations / "10-other.conflist").write_text("{}")


@sandboxed
async def test_the_node_is_as_before() -> None:
    prepare()
    before = look()
    await as_an_agent_leaves_it()
    changed = {name for name, value in look().items() if value != before.get(name)}
    assert {*map(" ".join, COMMANDS)} - changed == {"ip -6 rule"}, "the agent writes everywhere else"
    result = node_restoration.restore(FILES)
    assert result.failed == ()
    assert "removed link podwire.vxlan" in result.done
    after = look()
    assert {name: value for name, value in before.items() if after.get(name) != value} == {}
    assert after.keys() == before.keys()
    assert not FILES.state.exists()


@sandboxed
async def test_a_second_time_there_is_nothing_to_do() -> None:
    prepare()
    assert node_restoration.restore(FILES) == node_restoration.Restoration((), ())


@sandboxed
async def test_a_step_that_fails_stops_no_other() -> None:
    prepare()
    await as_an_agent_leaves_it()
    FILES.configuration.unlink()
    FILES.configuration.mkdir()
    result = node_restoration.restore(FILES)
    assert len(result.failed) == 1
    assert result.failed[0].startswith("files: ")
    with Netlink() as netlink:
        assert links.find(netlink, "podwire.vxlan") is None


def pod_link(name: str, adopted_mac: str, address: str) -> None:
    """A link of a pod as the agent leaves it: with its mark, and the node's route to the pod."""
    pod = PodIdentity("shop", "web", "uid")
    attachment = Attachment(AttachmentKey(name, "eth0"), pod, "/run/netns/pod", (), adopted_mac)
    for command in (
        f"ip link add {name} type veth peer name x{name}",
        f"ip link set {name} up",
        f"ip link set x{name} up",
        f"ip route add {address} dev {name} proto {pod_links.ROUTE_PROTOCOL}",
    ):
        subprocess.run(command.split(), check=True)
    subprocess.run(["ip", "link", "set", name, "alias", pod_links.alias_of(attachment)], check=True)


@sandboxed
async def test_links_of_another_plugin_stay_with_the_routes_to_them() -> None:
    prepare()
    await as_an_agent_leaves_it()
    own, other = f"{LINK_PREFIX}own", f"{LINK_PREFIX}other"
    pod_link(own, "", "10.244.7.1")
    pod_link(other, "02:00:00:00:00:02", "10.244.7.2")
    node_restoration.restore(FILES)
    with Netlink() as netlink:
        assert links.find(netlink, own) is None
        assert links.find(netlink, other) is not None
        kept = [str(way.destination) for way in routes.routes(netlink, 4, pod_links.ROUTE_PROTOCOL)]
    assert kept == ["10.244.7.2/32"]
