"""What label selectors select among many sets of labels, as one number with a bit for each. Pure.

The same meaning as `kube.selectors.matches`, which looks at one set of labels at a time; a test compares them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from podwire.kube.meta import LabelSelector, LabelSelectorRequirement
from podwire.policy.model import EVERYTHING


class SelectorSets:
    """Sets of labels by number, found by key and value."""

    def __init__(self, labels: Iterable[Mapping[str, str] | None]) -> None:
        """None is labels that are not known: only an empty selector selects them."""
        keys: defaultdict[str, list[int]] = defaultdict(list)
        pairs: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        known: list[int] = []
        count = 0
        for count, one in enumerate(labels, 1):
            if one is not None:
                known.append(count - 1)
                for pair in one.items():
                    keys[pair[0]].append(count - 1)
                    pairs[pair].append(count - 1)
        self.everything = (1 << count) - 1
        self._known = bits(known)
        self._keys = {key: bits(found) for key, found in keys.items()}
        self._pairs = {pair: bits(found) for pair, found in pairs.items()}

    def selected(self, selector: LabelSelector) -> int:
        """Return which sets of labels the selector selects."""
        if selector == EVERYTHING:
            return self.everything
        found = self._known
        for pair in selector.match_labels.items():
            found &= self._pairs.get(pair, 0)
        for requirement in selector.match_expressions:
            found &= self._matching(requirement)
        return found

    def has_key(self, key: str) -> bool:
        """Whether a set of labels has the key."""
        return key in self._keys

    def _matching(self, requirement: LabelSelectorRequirement) -> int:
        of_key = self._keys.get(requirement.key, 0)
        listed = 0
        for value in requirement.values:
            listed |= self._pairs.get((requirement.key, value), 0)
        match requirement.operator:
            case "In":
                return listed
            case "NotIn":
                return self._known & ~listed
            case "Exists":
                return of_key
            case "DoesNotExist":
                return self._known & ~of_key
            case _:
                return 0


FEW = 12
"""Bits up to which taking them one by one is faster than looking at each byte."""


def bits(numbers: Iterable[int]) -> int:
    """Return the numbers as one with a bit for each."""
    found = bytearray()
    for number in numbers:
        index = number >> 3
        if index >= len(found):
            found.extend(bytes(index + 1 - len(found)))
        found[index] |= 1 << (number & 7)
    return int.from_bytes(found, "little")


def numbers(mask: int) -> list[int]:
    """Return the numbers of the bits that are set, sorted."""
    found: list[int] = []
    if mask.bit_count() <= FEW:
        while mask:
            low = mask & -mask
            found.append(low.bit_length() - 1)
            mask ^= low
        return found
    for index, byte in enumerate(mask.to_bytes((mask.bit_length() + 7) // 8, "little")):
        if byte:
            base = index << 3
            found += [base | bit for bit in _BITS[byte]]
    return found


_BITS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))
