"""When the kernel's nftables change, for any proxy and any form of its rules.

Sources: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import time
from pathlib import Path

from podwire.kernel.namespaces import inside_network
from podwire.kernel.netlink import NETLINK_NETFILTER
from podwire.kernel.nft_generation import NftGeneration

_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTABLES = 270, 1, 7
_POLL_SECONDS = 0.002
_RECEIVE = 1 << 18


class Generations(NftGeneration):
    """Waits until nothing changes any more."""

    def last_change(self, quiet: float, patience: float = 600.0) -> float:
        """Wait until nothing was changed for `quiet` seconds; return when the last change was (perf_counter)."""
        known, changed, began = self.now(), time.perf_counter(), time.perf_counter()
        while (now := time.perf_counter()) - changed < quiet:
            if now - began > patience:
                raise TimeoutError(f"nftables are still being changed after {patience:g} s")
            if (current := self.now()) != known:
                known, changed = current, time.perf_counter()
            time.sleep(_POLL_SECONDS)
        return changed


class Arrivals:
    """Notifications of a network namespace: the moment at which an address comes into its rules or elements."""

    def __init__(self, namespace: Path | None = None) -> None:
        with contextlib.nullcontext() if namespace is None else inside_network(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)

    def of(self, address: str, patience: float = 30.0) -> float:
        """Wait for an IPv4 address; return when it came (perf_counter). Raises TimeoutError."""
        wanted, deadline = ipaddress.IPv4Address(address).packed, time.perf_counter() + patience
        while wanted not in self.next(deadline):
            pass
        return time.perf_counter()

    def next(self, deadline: float) -> bytes:
        """Wait for one datagram of notifications. Raises TimeoutError, and OSError (ENOBUFS) where some were lost."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, deadline - time.perf_counter()))
        if not ready:
            raise TimeoutError("nothing more was changed in nftables")
        return self._socket.recv(_RECEIVE)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
