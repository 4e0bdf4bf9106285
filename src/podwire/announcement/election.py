"""Elections that are repeated: a change of one node costs a look at that node, not at all of them. No I/O."""

from __future__ import annotations

from podwire.announcement import model
from podwire.kube.addresses import IPAddress


class Elections:
    """The last result for each address. `elected` always returns what `model.elected` would."""

    def __init__(self) -> None:
        self._last: dict[IPAddress, tuple[frozenset[str], str]] = {}

    def elected(self, address: IPAddress, electorate: frozenset[str]) -> str:
        """Return the node that announces the address; empty where there is none.

        Who won among the nodes before wins over those of them that remain: only new nodes are compared with it.
        """
        if not electorate:
            self._last.pop(address, None)
            return ""
        before, winner = self._last.get(address, (frozenset[str](), ""))
        candidates = (electorate - before) | {winner} if winner in electorate else electorate
        found = model.elected(address, candidates)
        self._last[address] = (electorate, found)
        return found
