"""The groups of links: a number on each link that nftables reads as iifgroup and oifgroup, and no packet carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.kernel import links
from podwire.kernel.link_end import LinkEnd
from podwire.kernel.netlink import Netlink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class LinkGroups:
    """The groups of the links in the network namespace that this thread was in when it was made."""

    def __init__(self) -> None:
        self._netlink = Netlink()

    def groups(self, prefix: str) -> Iterator[tuple[LinkEnd, int]]:
        """Return the links whose names begin so and whose group is not 0. Raises NetlinkError."""
        for link in links.links(self._netlink):
            if link.group and link.name.startswith(prefix):
                yield LinkEnd(link.name, link.index), link.group

    def set(self, groups: Iterable[tuple[LinkEnd, int]]) -> None:
        """Change groups; links that do not exist any more are left out. Raises NetlinkError."""
        self._netlink.run(links.set_group(link.index, group) for link, group in groups)
