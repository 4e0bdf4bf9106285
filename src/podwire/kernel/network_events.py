"""Changes of a node's own network, as the kernel reports them: links, addresses, and routes that others make.

What belongs to pods is left out by a filter that runs in the kernel, so that pods that start and end wake no process.
Sources: netlink(7), rtnetlink(7), Documentation/networking/filter.rst of the kernel.
"""

from __future__ import annotations

import enum
import struct
import sys

from podwire.kernel.netlink_reports import NetlinkReports

_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE."""
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR, _NEWROUTE, _DELROUTE = 16, 17, 20, 21, 24, 25
_HEADER = struct.Struct("=IH")
_TYPE = 4 if sys.byteorder == "little" else 5
"""Where the low byte of a message's type is."""
_TABLE, _PROTOCOL, _MAIN = 16 + 4, 16 + 5, 254
_LINK_ATTRIBUTES, _IFLA_IFNAME = 16 + 16, 3
_FIND_ATTRIBUTE = (-0x1000 + 12) & 0xFFFFFFFF
"""SKF_AD_OFF + SKF_AD_NLATTR: the place of the attribute of kind X from A on, 0 where there is none."""

_LOAD_BYTE, _LOAD_WORD, _LOAD_HALF_AT_X = 0x30, 0x20, 0x48
_SET_A, _SET_X, _COPY_TO_X = 0x00, 0x01, 0x07
_IF_EQUAL, _IF_GREATER, _RETURN = 0x15, 0x25, 0x06
_PASS, _DROP = 0xFFFFFFFF, 0


class Report(enum.Enum):
    """What has changed."""

    LINK = enum.auto()
    ADDRESS_ADDED = enum.auto()
    ADDRESS_REMOVED = enum.auto()
    ROUTE = enum.auto()


_KINDS = {
    _NEWROUTE: Report.ROUTE,
    _DELROUTE: Report.ROUTE,
    _NEWADDR: Report.ADDRESS_ADDED,
    _DELADDR: Report.ADDRESS_REMOVED,
}


class NetworkEvents:
    """Reports of the namespace where this is made. It does not block.

    Links whose names begin with the two letters of `prefix` are left out, and routes of protocols `first` to `last`.
    """

    def __init__(self, prefix: str, first: int, last: int) -> None:
        self._reports = NetlinkReports(_GROUPS, _program(prefix, first, last))

    def fileno(self) -> int:
        """For the event loop: readable when something has changed."""
        return self._reports.fileno()

    def close(self) -> None:
        """Receive no more."""
        self._reports.close()

    def drain(self) -> frozenset[Report]:
        """Take all reports that wait; return which kinds there were."""
        found: set[Report] = set()
        for datagram in self._reports.take():
            if datagram is None:
                found.update(Report)
            else:
                found.add(_KINDS.get(_HEADER.unpack_from(datagram)[1], Report.LINK))
        return frozenset(found)


def _program(prefix: str, first: int, last: int) -> bytes:
    """The filter. A jump's numbers: how many instructions are skipped where its test holds, and where it does not."""
    letters = int.from_bytes(prefix.encode()[:2], "big")
    return b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD_BYTE, 0, 0, _TYPE),
            (_IF_EQUAL, 4, 0, _NEWROUTE),
            (_IF_EQUAL, 3, 0, _DELROUTE),
            (_IF_EQUAL, 7, 0, _NEWLINK),
            (_IF_EQUAL, 6, 0, _DELLINK),
            (_RETURN, 0, 0, _PASS),
            # a route: of the main table, and not ours
            (_LOAD_BYTE, 0, 0, _TABLE),
            (_IF_EQUAL, 0, 11, _MAIN),
            (_LOAD_BYTE, 0, 0, _PROTOCOL),
            (_IF_GREATER, 0, 8, first - 1),
            (_IF_GREATER, 7, 8, last),
            # a link: not a pod's
            (_SET_A, 0, 0, _LINK_ATTRIBUTES),
            (_SET_X, 0, 0, _IFLA_IFNAME),
            (_LOAD_WORD, 0, 0, _FIND_ATTRIBUTE),
            (_IF_EQUAL, 3, 0, 0),
            (_COPY_TO_X, 0, 0, 0),
            (_LOAD_HALF_AT_X, 0, 0, 4),
            (_IF_EQUAL, 1, 0, letters),
            (_RETURN, 0, 0, _PASS),
            (_RETURN, 0, 0, _DROP),
        )
    )
