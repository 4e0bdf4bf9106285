"""Read the named counters of nftables over netlink: a few microseconds, whatever else the ruleset holds.

Source: linux/netfilter/nf_tables.h (NFT_MSG_GETOBJ, nft_object_attributes, nft_counter_attributes).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, attributes, number_be, text

_GET_OBJECTS = 10 << 8 | 19
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = 1
_PACKETS = 2
_INET = 1
_FAMILY_HEADER = struct.Struct("!BBH")


class CounterDump:
    """Reads tables of the family inet in the network namespace that this thread was in when it was made."""

    def __init__(self) -> None:
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)

    def packets(self, table: str) -> Mapping[str, int]:
        """Return the packets of each named counter; none where there is no such table. Raises NetlinkError."""
        body = _FAMILY_HEADER.pack(_INET, 0, 0) + text(_TABLE, table) + number_be(_TYPE, _COUNTER)
        found = (attributes(payload, _FAMILY_HEADER.size) for payload in self._netlink.dump(_GET_OBJECTS, body))
        return {
            one[_NAME].rstrip(b"\0").decode(): int.from_bytes(attributes(one[_DATA])[_PACKETS], "big")
            for one in found
            if one[_TABLE].rstrip(b"\0").decode() == table
        }

    def close(self) -> None:
        """Give the socket back."""
        self._netlink.close()
