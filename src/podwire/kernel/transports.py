"""Which transport protocols the kernel has."""

from __future__ import annotations

import errno
import socket

_LACKING = frozenset({errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT})


def has_sctp() -> bool:
    """Return whether a socket of SCTP can be made; the kernel loads its module for that, where there is one."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError as error:
        if error.errno not in _LACKING:
            raise
        return False
    return True
