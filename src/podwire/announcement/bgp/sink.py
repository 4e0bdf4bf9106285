"""Rows to bird: each batch is a new configuration of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podwire.announcement.bgp.configuration import Speaker, configuration
from podwire.announcement.bgp_settings import BgpSettings
from podwire.announcement.rows import RouteRow
from podwire.engine.row import Delta
from podwire.kube.addresses import IPAddress


class RouteSink:
    """The routes that a node announces. `configure` receives the whole configuration each time that it changes.

    It receives none before `begin` and before the node's addresses are known: an incomplete one would withdraw routes
    that an earlier process of this node has announced.
    """

    def __init__(self, node: str, settings: BgpSettings, configure: Callable[[str], None]) -> None:
        self._node = node
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

    def use(self, addresses: Iterable[IPAddress]) -> None:
        """From now on the node's sessions and next hops have the first of these addresses of each IP version."""
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
        text = configuration(self._settings, speaker, [row.address for row in self._routes])
        if text != self._text:
            self._text = text
            self._configure(text)
