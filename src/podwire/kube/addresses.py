"""IP addresses that objects may name as destinations. Pure.

Source: k8s.io/kubernetes `pkg/apis/core/validation` ValidateEndpointIP; CVE-2021-25737.
"""

from __future__ import annotations

import functools
import ipaddress
from socket import AF_INET, AF_INET6, inet_pton

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV4_MAPPED = 0xFFFF
_LINK_LOCAL4 = bytes((169, 254))
_SPECIAL4 = frozenset((0, 127, *range(224, 256)))
"""First bytes of special IPv4 addresses; of 169.254.0.0/16 two bytes count."""


def family_of(text: str) -> int:
    """Return the IP version, 4 or 6, of an address or range that is known to be one."""
    return 6 if ":" in text else 4


def parsed(text: str) -> IPAddress | None:
    """Parse any address; None for text that is none, and for one with a zone.

    `ipaddress` takes any characters as a zone and keeps them: such a text would reach nftables as it is.
    """
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


def parsed_network(text: str) -> IPNetwork | None:
    """Parse a range; bits after its prefix are ignored. None for text that is none, and for one with a zone."""
    try:
        return None if "%" in text else ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


@functools.lru_cache(maxsize=8192)
def usable(text: str) -> IPAddress | None:
    """Parse an address that traffic may be sent to; None for text that is no address and for special addresses.

    Special addresses lead to the node itself, to its neighbours or to every host: IPv4
    0.0.0.0/8, loopback, link-local, multicast and reserved blocks; IPv6 unspecified, loopback, IPv4-compatible,
    IPv4-mapped, link-local and multicast addresses, and those with a zone.
    """
    address = parsed(text)
    return None if address is None or _special(address) else address


def canonical(text: str) -> str:
    """Return a usable address in canonical form (RFC 5952), the empty string for others.

    An IPv4 address has one form only, which inet_pton(3) knows: `ipaddress` takes twenty times as long, and there are
    hundreds of thousands of endpoints.
    """
    try:
        raw = inet_pton(AF_INET, text)
    except (OSError, ValueError):
        address = usable(text)
        return "" if address is None else str(address)
    return "" if raw[0] in _SPECIAL4 or raw[:2] == _LINK_LOCAL4 else text


def packed(address: str) -> bytes:
    """The bytes of an address in canonical form, 4 or 16."""
    return inet_pton(AF_INET6 if ":" in address else AF_INET, address)


def _special(address: IPAddress) -> bool:
    """Whether an address is special. Integers, because the properties of `ipaddress` take ten times as long."""
    number = int(address)
    if isinstance(address, ipaddress.IPv4Address):
        return number >> 24 in {0, 127} or number >> 16 == 0xA9FE or number >> 28 >= 0xE
    top = number >> 118
    return number >> 32 in {0, _IPV4_MAPPED} or top == 0x3FA or top >> 2 == 0xFF
