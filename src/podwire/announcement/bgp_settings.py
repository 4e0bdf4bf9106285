"""The BGP settings of an agent. Sources: RFC 4271 (BGP), RFC 6793 (AS numbers of four bytes)."""

from __future__ import annotations

import ipaddress

import msgspec

from podwire.kube.addresses import family_of

LARGEST_AS = (1 << 32) - 1


class PeerError(ValueError):
    """A text that is no `ADDRESS:AS`, or a number that is no AS."""


class BgpPeer(msgspec.Struct, frozen=True):
    """A router that routes are announced to: its address in canonical form, and its AS number."""

    address: str
    remote_as: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return family_of(self.address)


class BgpSettings(msgspec.Struct, frozen=True):
    """The AS number of the nodes, and their peers.

    With `announce_pod_ranges` each node announces the ranges of its pods too.
    """

    local_as: int
    peers: tuple[BgpPeer, ...]
    announce_pod_ranges: bool = False


def as_number(text: str) -> int:
    """Return the AS number. Raises PeerError."""
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= LARGEST_AS:
        raise PeerError(f"{text!r} is no AS number: write 1 to {LARGEST_AS}")
    return int(text)


def peer(text: str) -> BgpPeer:
    """Return the peer of `192.0.2.1:64512` or `[2001:db8::1]:64512`. Raises PeerError."""
    address, _, number = text.rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    try:
        found = ipaddress.ip_address(address[1:-1] if bracketed else address)
    except ValueError:
        found = None
    if found is None or "%" in address or bracketed != (found.version == 6):
        raise PeerError(f"{text!r} is no ADDRESS:AS, such as 192.0.2.1:64512 or [2001:db8::1]:64512")
    return BgpPeer(str(found), as_number(number))
