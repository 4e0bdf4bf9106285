"""Which Services have names for an address, and which reverse names exist above addresses (RFC 8020).

The index is coarse: a line for each block of sixteen addresses, where one for each address took ten times the memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set

from podwire.dns.names import labels, to_wire

V4_TAIL, V6_TAIL = to_wire("in-addr.arpa"), to_wire("ip6.arpa")

Prefix = int
"""The leading octets or nibbles of an address behind a bit that is set, so that their number counts; IPv6: negative."""

BLOCK_BITS = 4
"""Of the end of an address, that its block does not have: a nibble, so that a block is a prefix of IPv6's names."""


class ReverseIndex:
    """Blocks of addresses: the Services, by wire name, that have names for some of each."""

    def __init__(self) -> None:
        self._services: dict[Prefix, tuple[bytes, ...]] = {}
        self._above: Counter[Prefix] = Counter()
        """How many blocks have each shorter prefix."""

    def replace(self, service: bytes, before: Set[bytes], after: Set[bytes]) -> None:
        """Have a Service names for these addresses, packed, in place of those before."""
        for address in before - after:
            if after.isdisjoint(_neighbours(address)):
                self._discard(_block(address), service)
        for address in after - before:
            self._add(_block(address), service)

    def services(self, address: bytes) -> tuple[bytes, ...]:
        """The Services that may have names for a packed address: those of its block."""
        return self._services.get(_block(address), ())

    def has_addresses_below(self, name: bytes) -> bool:
        """Whether a folded reverse name is above an address with a name."""
        prefix = _prefix_of_name(name)
        return prefix in self._above or prefix in self._services

    def address(self, name: bytes) -> bytes | None:
        """The address, packed, that a folded reverse name spells whole."""
        prefix = _prefix_of_name(name)
        if prefix is None or prefix.bit_length() != (33 if prefix > 0 else 129):
            return None
        size = 4 if prefix > 0 else 16
        return (abs(prefix) ^ 1 << 8 * size).to_bytes(size, "big")

    def _add(self, block: Prefix, service: bytes) -> None:
        held = self._services.get(block, ())
        if not held:
            for shorter in _shorter(block):
                self._above[shorter] += 1
        if service not in held:
            self._services[block] = (*held, service)

    def _discard(self, block: Prefix, service: bytes) -> None:
        held = self._services.get(block, ())
        others = tuple(one for one in held if one != service)
        if others:
            self._services[block] = others
        elif held:
            del self._services[block]
            for shorter in _shorter(block):
                self._above[shorter] -= 1
                if not self._above[shorter]:
                    del self._above[shorter]


def _block(address: bytes) -> Prefix:
    number = (1 << 8 * len(address) | int.from_bytes(address, "big")) >> BLOCK_BITS
    return number if len(address) == 4 else -number


def _neighbours(address: bytes) -> Iterator[bytes]:
    """The addresses of the same block."""
    start, last = address[:-1], address[-1] >> BLOCK_BITS << BLOCK_BITS
    return (start + bytes((last | number,)) for number in range(1 << BLOCK_BITS))


def _shorter(block: Prefix) -> Iterator[Prefix]:
    """The prefixes of names above a block, the empty one left out: its zone has a name of its own."""
    step, sign, rest = (8, 1, block >> 8 - BLOCK_BITS) if block > 0 else (4, -1, -block >> BLOCK_BITS)
    while rest > 1:
        yield rest * sign
        rest >>= step


def _prefix_of_name(name: bytes) -> Prefix | None:
    """The prefix that a folded name below in-addr.arpa or ip6.arpa spells; None for all others."""
    for tail, base, step, most, sign in ((V4_TAIL, 10, 8, 4, 1), (V6_TAIL, 16, 4, 32, -1)):
        if not name.endswith(tail) or len(name) == len(tail):
            continue
        parts = labels(name)[:-2]
        if len(parts) > most:
            return None
        prefix = 1
        for part in reversed(parts):
            number = _number(part, base, 1 << step)
            if number is None:
                return None
            prefix = prefix << step | number
        return prefix * sign
    return None


def _number(label: bytes, base: int, limit: int) -> int | None:
    """A number as reverse names spell it: without zeros before it."""
    if not label.isalnum() or len(label) > 3 or (len(label) > 1 and (label.startswith(b"0") or base == 16)):
        return None
    try:
        number = int(label, base)
    except ValueError:
        return None
    return number if number < limit else None
