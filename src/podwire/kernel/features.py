"""What podwire needs of a kernel and of libnftables: each feature with what needs it and a way to try it.

A name in a list of modules proves nothing: kernels build features in, leave them out, or cannot load them from a
container. So each is used once: `feature_check.py` does that in a network namespace that is thrown away.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import msgspec

from podwire.kernel import links, proxy_neighbours, queue_rule
from podwire.kernel.conntrack import Conntrack, Family, FlowProtocol
from podwire.kernel.netlink import Netlink
from podwire.kernel.nftables import Nftables
from podwire.kernel.transports import has_sctp

OLDEST_KERNEL = (5, 15)
TABLE = "podwire-check"
LOOPBACK = 1
"""The index of `lo` in every network namespace."""
_RELEASE = re.compile(r"(\d+)\.(\d+)")


class Feature(msgspec.Struct, frozen=True):
    """One thing that podwire uses.

    Attributes:
        name: of the feature.
        serves: what podwire uses it for.
        modules: the kernel modules that have it.
        probe: nft commands to run, or a function that raises OSError where the feature is missing.
        essential: whether no pod can have a network without it; else only `serves` does not work.

    """

    name: str
    serves: str
    modules: str
    probe: str | Callable[[], None]
    essential: bool = True

    @property
    def family(self) -> str:
        """The family of the table that its nft commands make."""
        return str(self.probe).split()[2]


def _rule(hook: str, rule: str, declaration: str = "") -> str:
    """A table with one rule, and the map or set that it uses."""
    return f"add table inet {TABLE} {{ {declaration} chain c {{ {hook}; {rule}; }}; }}"


_FILTER = "type filter hook forward priority 0"
_RAW = "type filter hook prerouting priority -300"
_DESTINATION = "type nat hook prerouting priority -100"
_SOURCE = "type nat hook postrouting priority 100"
_WORDS = "map m { typeof ip daddr . meta l4proto . th dport : meta priority; };"
_SLOTS = "map m { typeof meta priority . meta l4proto . numgen random mod 65536 : ip daddr . th dport; };"
_MEMORY = "map m { typeof ip saddr . meta priority : meta priority; flags dynamic, timeout; size 1024; };"
_RANGES = "set s { typeof iifgroup . ip daddr . meta l4proto . th dport; flags interval; };"


def _kernel() -> None:
    release = os.uname().release
    found = _RELEASE.match(release)
    if found is None or tuple(map(int, found.groups())) < OLDEST_KERNEL:
        raise OSError(errno.EOPNOTSUPP, f"Linux {release} is older than 5.15")


def _veth() -> None:
    with Netlink() as netlink, Path("/proc/thread-self/ns/net").open() as here:
        ends = (links.VethEnd("pwcheck0", "02:00:00:00:00:01"), links.VethEnd("pwcheck1", "02:00:00:00:00:02"))
        netlink.run([links.veth(*ends, here.fileno(), 1500)])


def _vxlan() -> None:
    device = links.Vxlan(1, 8472, ip_address("127.0.0.1"))
    with Netlink() as netlink:
        netlink.run([links.vxlan("pwcheck2", "02:00:00:00:00:03", 1450, device)])


def _flows() -> None:
    table = Conntrack()
    try:
        list(table.flows(Family.IPV4, FlowProtocol.UDP))
    finally:
        table.close()


def _ipv6() -> None:
    socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    _setting("net/ipv6/conf/all/forwarding")


def _loose() -> None:
    _setting("net/netfilter/nf_conntrack_tcp_loose")


def _setting(name: str) -> None:
    if not Path("/proc/sys", name).exists():
        raise OSError(errno.EOPNOTSUPP, f"{name.replace('/', '.')} does not exist")


def _neighbours() -> None:
    addresses = ("192.0.2.1", "2001:db8::1") if Path("/proc/sys/net/ipv6").exists() else ("192.0.2.1",)
    entries = [proxy_neighbours.ProxyNeighbour(LOOPBACK, ip_address(address), 114) for address in addresses]
    with Netlink() as netlink:
        netlink.run(map(proxy_neighbours.replace, entries))


def _packets() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def _queue() -> None:
    nft = Nftables()
    nft.run(f"add table inet {TABLE}; add chain inet {TABLE} c")
    try:
        queue_rule.hold(nft, TABLE, "c", 9732)
    finally:
        nft.run(f"delete table inet {TABLE}")


def _sctp() -> None:
    if not has_sctp():
        raise OSError(errno.EPROTONOSUPPORT, "no socket of SCTP can be made")


FEATURES = (
    Feature("kernel 5.15", "everything; older ones are not tested", "Linux 5.15", _kernel, essential=False),
    Feature("nftables", "all rules", "nf_tables", _rule(_FILTER, "accept")),
    Feature("nftables arp", "rules against forged ARP", "NF_TABLES_ARP", f"add table arp {TABLE}"),
    Feature(
        "connection tracking", "Services and policies", "nf_conntrack, nft_ct", _rule(_FILTER, "ct state new accept")
    ),
    Feature(
        "connection labels",
        "clients whose address is replaced",
        "nft_ct, NF_CONNTRACK_LABELS",
        _rule(_DESTINATION, "ct label set 61"),
    ),
    Feature(
        "destination NAT by map",
        "Services",
        "nft_chain_nat, nft_nat, nft_numgen",
        _rule(_DESTINATION, "dnat ip to meta priority . meta l4proto . numgen random mod 4 map @m", _SLOTS),
    ),
    Feature(
        "masquerade",
        "pods that leave the cluster",
        "nft_chain_nat, nft_masq",
        _rule(_SOURCE, "meta l4proto tcp masquerade to :32768-65535 fully-random"),
    ),
    Feature(
        "values from maps",
        "Services and policies",
        "nf_tables",
        _rule(_DESTINATION, "meta priority set ip daddr . meta l4proto . th dport map @m", _WORDS),
    ),
    Feature(
        "local addresses",
        "node ports",
        "nft_fib_inet, nft_fib_ipv4",
        _rule(_DESTINATION, "fib daddr type local accept"),
    ),
    Feature(
        "reject",
        "Services without endpoints",
        "nft_reject_inet",
        _rule(_FILTER, "reject with icmpx port-unreachable"),
    ),
    Feature(
        "dynamic maps with timeouts",
        "session affinity",
        "nf_tables",
        _rule(_DESTINATION, "update @m { ip saddr . meta priority timeout 5s : meta priority }", _MEMORY),
    ),
    Feature(
        "ranges in concatenations",
        "ipBlock and port ranges of policies",
        "nf_tables",
        _rule(_FILTER, "iifgroup . ip daddr . meta l4proto . th dport @s accept", _RANGES),
    ),
    Feature(
        "packet logging",
        "records of what policies drop",
        "nft_log, nfnetlink_log",
        _rule(_FILTER, 'log prefix "check" group 9731'),
    ),
    Feature(
        "packet queues",
        "domain names in policies",
        "nft_queue (or xt_NFQUEUE), nfnetlink_queue",
        _queue,
        essential=False,
    ),
    Feature("flow deletion", "datagrams to endpoints that are gone", "nf_conntrack_netlink", _flows),
    Feature("nf_conntrack_tcp_loose", "connections that a policy cuts", "nf_conntrack", _loose),
    Feature("veth", "links of pods", "veth", _veth),
    Feature("ipv6", "IPv6 of pods and Services", "ipv6", _ipv6, essential=False),
    Feature("vxlan", "VXLAN between nodes", "vxlan", _vxlan, essential=False),
    Feature("untracked packets", "VXLAN between nodes", "nft_ct", _rule(_RAW, "notrack"), essential=False),
    Feature("proxy neighbours", "announced addresses", "ARP and IPv6", _neighbours, essential=False),
    Feature("packet sockets", "announced addresses, captures", "af_packet", _packets, essential=False),
    Feature("sctp", "Services and policies with SCTP", "sctp, NF_CT_PROTO_SCTP", _sctp, essential=False),
)
