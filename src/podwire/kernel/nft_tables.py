"""Which tables of nftables exist, without what is in them: libnftables reads every element to answer that.

Source: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import struct

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, attributes

_GET_TABLE = 10 << 8 | 1
_NAME = 1
_HEADER = struct.Struct("!BBH")
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}


def present() -> list[str]:
    """Return the tables of this thread's network namespace by family and name, such as "inet filter".

    Raises NetlinkError.
    """
    with Netlink(protocol=NETLINK_NETFILTER) as netlink:
        return [_table(payload) for payload in netlink.dump(_GET_TABLE, _HEADER.pack(0, 0, 0))]


def _table(payload: bytes) -> str:
    family = _FAMILIES.get(payload[0], str(payload[0]))
    return f"{family} {attributes(payload, _HEADER.size)[_NAME].rstrip(bytes(1)).decode('utf-8', 'replace')}"
