"""Rows to bird: each batch is a new configuration of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from podwire.announcement.bgp.configuration import Speaker, configuration
from podwire.announcement.bgp_settings import BgpSettings
from podwire.announcement.rows import RouteRow
from podwire.engine.row import Delta
from podwire.kube.addresses import IPAddress, IPNetwork
from podwire.kube.core import Node

PodRanges = Callable[[Node], tuple[IPNetwork, ...]]
"""Returns the ranges of a Node's pods that are announced."""


def no_pod_ranges(_: Node) -> tuple[IPNetwork, ...]:
    """No range is announced."""
    return ()


class RouteSink:
    """The routes that a node announces. `configure` receives the whole configuration each time that it changes.

    It receives none before `begin` and before the node's addresses are known: an incomplete one would withdraw routes
    that an earlier process of this node has announced.
    """

    def __init__(
        self,
        node: str,
        settings: BgpSettings,
        configure: Callable[[str], None],
        find_pod_ranges: PodRanges = no_pod_ranges,
    ) -> None:
        self.pod_ranges: tuple[IPNetwork, ...] = ()
        self._node = node
        self._find_pod_ranges = find_pod_ranges
        self._settings = settings
        self._configure = configure
        self._routes: set[RouteRow] = set()
        self._addresses: dict[int, IPAddress] = {}
        self._begun = False
        self._text = ""

    async def read(self) -> Iterable[RouteRow]:
        """Return what has been written here: bird itself remembers nothing."""
        return list(self._routes)

    async def write(self, delta: Delta[RouteRow]) -> None:
        """Announce and withdraw."""
        self._routes |= set(delta.upserts)
        self._routes -= set(delta.removals)
        self._change()

    def use(self, addresses: Iterable[IPAddress], node: Node) -> None:
        """From now on the node's sessions and next hops have the first of these addresses of each IP version.

        The ranges of its pods that `find_pod_ranges` returns are announced too.
        """
        self.pod_ranges = self._find_pod_ranges(node)
        self._addresses = {}
        for address in addresses:
            self._addresses.setdefault(address.version, address)
        self._change()

    def begin(self) -> None:
        """All routes are known: announce them."""
        self._begun = True
        self._change()

    def _change(self) -> None:
        if not self._begun or not self._addresses:
            return
        speaker = Speaker(self._node, self._addresses)
        hosts = (ipaddress.ip_network(row.address) for row in self._routes)
        text = configuration(self._settings, speaker, (*self.pod_ranges, *hosts))
        if text != self._text:
            self._text = text
            self._configure(text)
