"""Resets of TCP connections that are cut: without them their ends notice by their own time limits."""

from __future__ import annotations

import logging
import socket
from collections import defaultdict
from typing import TYPE_CHECKING

from podwire.kernel.address_flows import sockets
from podwire.kernel.tcp_resets import ResetsUnsupportedError, reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from podwire.kernel.address_flows import AddressFlow, SocketEnds
    from podwire.policy.model import IPAddress

log = logging.getLogger(__name__)


class StreamResets:
    """Ends TCP connections at the sockets of this node's pods, while packets of them still pass.

    The peer gets the reset of the socket that ends, wherever it is; one end on this node is enough.
    """

    def __init__(self, namespaces: Callable[[], Mapping[IPAddress, str]]) -> None:
        """`namespaces`: the path of the network namespace of each address of this node's pods."""
        self._namespaces = namespaces
        self._supported = True

    def namespaces(self) -> Mapping[IPAddress, str]:
        """Return where this node's pods are now."""
        return self._namespaces()

    def reset(self, flows: Iterable[AddressFlow], namespaces: Mapping[IPAddress, str]) -> None:
        """End what has a socket in one of these namespaces. Blocks. Never raises: cutting does not depend on it."""
        for namespace, ends in _by_namespace(flows, namespaces).items() if self._supported else ():
            try:
                reset(namespace, ends)
            except ResetsUnsupportedError as error:
                self._supported = False
                log.warning("connections that policies cut get no reset: %s", error.strerror)
                return
            except OSError as error:
                log.warning("connections that policies cut in %s get no reset: %s", namespace, error)


def _by_namespace(flows: Iterable[AddressFlow], namespaces: Mapping[IPAddress, str]) -> dict[str, list[SocketEnds]]:
    found: defaultdict[str, list[SocketEnds]] = defaultdict(list)
    for flow in flows:
        for ends in sockets(flow) if flow.protocol == socket.IPPROTO_TCP else ():
            if ends.address in namespaces:
                found[namespaces[ends.address]].append(ends)
    return found
