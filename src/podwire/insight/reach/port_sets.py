"""Sets of ports as whole numbers: one bit for each range of ports that no rule cuts. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

from podwire.policy.intervals import Interval, union
from podwire.policy.model import LAST_PORT, PROTOCOLS, Ports

OTHER = "other"
"""All protocols without ports, such as ICMP: a rule with ports does not admit them."""


class PortSets:
    """The ranges that the ports of some rules cut the ports of all protocols into.

    Every set of ports that these rules can describe is a number with a bit for each range; the last bit is of protocols
    without ports.
    """

    def __init__(self, ports: Iterable[Ports]) -> None:
        borders: dict[str, set[int]] = {protocol: {0} for protocol in PROTOCOLS}
        for one in ports:
            borders[one.protocol] |= {one.first, one.last + 1}
        self._starts = {protocol: sorted(found - {LAST_PORT + 1}) for protocol, found in borders.items()}
        self._offsets: dict[str, int] = {}
        width = 0
        for protocol, starts in self._starts.items():
            self._offsets[protocol] = width
            width += len(starts)
        self.other = 1 << width
        self.everything = (self.other << 1) - 1
        self._masks: dict[Ports, int] = {}

    def mask(self, ports: Ports) -> int:
        """Return the set of these ports."""
        found = self._masks.get(ports)
        if found is None:
            starts, offset = self._starts[ports.protocol], self._offsets[ports.protocol]
            first, last = bisect.bisect_left(starts, ports.first), bisect.bisect_right(starts, ports.last)
            found = self._masks[ports] = ((1 << last) - (1 << first)) << offset
        return found

    def holds(self, mask: int, protocol: str, port: int | None) -> bool:
        """Whether a port is in the set; None is a protocol without ports."""
        if port is None or protocol not in self._starts:
            return bool(mask & self.other)
        return bool(mask >> (self._offsets[protocol] + bisect.bisect_right(self._starts[protocol], port) - 1) & 1)

    def ranges(self, mask: int) -> Iterator[tuple[str, tuple[Interval, ...]]]:
        """Yield each protocol of the set with its ports as sorted intervals; none for protocols without ports."""
        for protocol, starts in self._starts.items():
            own = mask >> self._offsets[protocol] & (1 << len(starts)) - 1
            if own:
                ends = [*(start - 1 for start in starts[1:]), LAST_PORT]
                yield protocol, union((starts[n], ends[n]) for n in range(len(starts)) if own >> n & 1)
        if mask & self.other:
            yield OTHER, ()
