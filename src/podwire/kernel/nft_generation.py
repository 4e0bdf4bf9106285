"""The number that grows with each transaction of nftables in a network namespace.

Source: linux/netfilter/nf_tables.h (NFT_MSG_GETGEN, NFTA_GEN_ID).
"""

from __future__ import annotations

import struct
from pathlib import Path

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, attributes

_GET_GENERATION, _GENERATION_ID = 10 << 8 | 16, 1


class NftGeneration:
    """The number of a network namespace: by default that in which this thread was when it was made."""

    def __init__(self, namespace: Path | None = None) -> None:
        self._netlink = Netlink(namespace, NETLINK_NETFILTER)

    def now(self) -> int:
        """Return the current number. Raises NetlinkError."""
        answer = self._netlink.get(_GET_GENERATION, bytes(4), "read the generation of nftables")
        (number,) = struct.unpack_from("!I", attributes(answer, 4)[_GENERATION_ID])
        return int(number)
