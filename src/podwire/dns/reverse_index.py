"""Which Services have names for an address, and which reverse names exist above addresses (RFC 8020)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from podwire.dns.names import labels, to_wire

V4_TAIL, V6_TAIL = to_wire("in-addr.arpa"), to_wire("ip6.arpa")

Prefix = int
"""The leading octets or nibbles of an address behind a bit that is set, so that their number counts; IPv6: negative."""


class ReverseIndex:
    """Addresses by their number: the Services, by wire name, that have names for each."""

    def __init__(self) -> None:
        self._services: dict[Prefix, bytes | tuple[bytes, ...]] = {}
        """One Service is not in a tuple: most addresses have one."""
        self._above: Counter[Prefix] = Counter()
        """How many addresses have each shorter prefix."""

    def replace(self, service: bytes, old: Iterable[bytes], new: Iterable[bytes]) -> None:
        """Have a Service no names for old addresses and names for new ones, all packed."""
        for address in old:
            self._discard(_prefix(address), service)
        for address in new:
            self._add(_prefix(address), service)

    def services(self, name: bytes) -> tuple[bytes, tuple[bytes, ...]] | None:
        """The address and the Services of a folded reverse name; both empty where it only exists above others."""
        prefix = _prefix_of_name(name)
        found = self._services.get(prefix, ()) if prefix is not None else ()
        if found and prefix is not None:
            return _address(prefix), (found,) if isinstance(found, bytes) else found
        return (b"", ()) if prefix in self._above else None

    def _add(self, prefix: Prefix, service: bytes) -> None:
        held = self._services.get(prefix)
        if held is None:
            self._services[prefix] = service
            for shorter in _shorter(prefix):
                self._above[shorter] += 1
        else:
            self._services[prefix] = (held, service) if isinstance(held, bytes) else (*held, service)

    def _discard(self, prefix: Prefix, service: bytes) -> None:
        held = self._services[prefix]
        others = tuple(one for one in held if one != service) if isinstance(held, tuple) else ()
        if others:
            self._services[prefix] = others if len(others) > 1 else others[0]
            return
        del self._services[prefix]
        for shorter in _shorter(prefix):
            self._above[shorter] -= 1
            if not self._above[shorter]:
                del self._above[shorter]


def _prefix(address: bytes) -> Prefix:
    number = 1 << 8 * len(address) | int.from_bytes(address, "big")
    return number if len(address) == 4 else -number


def _address(prefix: Prefix) -> bytes:
    size = 4 if prefix > 0 else 16
    return (abs(prefix) ^ 1 << 8 * size).to_bytes(size, "big")


def _shorter(prefix: Prefix) -> Iterable[Prefix]:
    """The prefixes of this one, the empty one left out: its zone has a name of its own."""
    step, sign = (8, 1) if prefix > 0 else (4, -1)
    rest = abs(prefix) >> step
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
