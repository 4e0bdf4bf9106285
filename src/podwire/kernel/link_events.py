"""Changes of links, as the kernel reports them: a link that goes down loses entries that were set on it.

Sources: netlink(7), rtnetlink(7), RTMGRP_LINK.
"""

from __future__ import annotations

import struct

from podwire.kernel.netlink import attributes
from podwire.kernel.netlink_reports import NetlinkReports

_RTMGRP_LINK = 1
_RTM_NEWLINK = 16
_IFLA_IFNAME = 3
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_IFF_UP = 0x1


class LinkEvents:
    """The links that have come up or changed while up, in the namespace where this is made. It does not block."""

    def __init__(self) -> None:
        self._reports = NetlinkReports(_RTMGRP_LINK)

    def fileno(self) -> int:
        """For the event loop: readable when something has changed."""
        return self._reports.fileno()

    def close(self) -> None:
        """Receive no more."""
        self._reports.close()

    def read(self) -> frozenset[str] | None:
        """Return the names of links that are up and have changed; None where reports were lost: any may have."""
        names: set[str] = set()
        for datagram in self._reports.take():
            if datagram is None:
                return None
            names.update(_up(datagram))
        return frozenset(names)


def _up(datagram: bytes) -> list[str]:
    names = []
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, offset)
        payload = datagram[offset + _HEADER.size : offset + length]
        if kind == _RTM_NEWLINK and len(payload) >= _LINK.size:
            _, _, _, flags, _ = _LINK.unpack_from(payload)
            name = attributes(payload, _LINK.size).get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace")
            if flags & _IFF_UP and name:
                names.append(name)
        offset += max((length + 3) & ~3, _HEADER.size)
    return names
