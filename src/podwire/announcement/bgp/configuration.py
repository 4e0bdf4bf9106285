"""The configuration file of bird, made of numbers and addresses alone. Pure.

Sources: BIRD 2.0 User's Guide, sections 3 and 6; RFC 4724 (graceful restart).
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from podwire.announcement.bgp_settings import BgpPeer, BgpSettings
from podwire.kube.addresses import IPAddress, IPNetwork

HOLD_SECONDS, KEEPALIVE_SECONDS = 9, 3
"""A node that is dead without a word is dropped by its peers after this time."""
RESTART_SECONDS = 120
"""How long peers keep the routes of an agent that restarts."""
RECOVERY_SECONDS = 10
"""How long a restarted bird waits for all peers before it announces to those that are there."""


class Speaker(msgspec.Struct, frozen=True):
    """The node as its peers see it: its name, and its address of each IP version that it has."""

    name: str
    addresses: Mapping[int, IPAddress]

    @property
    def router_id(self) -> ipaddress.IPv4Address:
        """Return the IPv4 address; on a node without one, a number that follows from its name."""
        address = self.addresses.get(4)
        if isinstance(address, ipaddress.IPv4Address):
            return address
        digest = hashlib.sha256(self.name.encode()).digest()
        return ipaddress.IPv4Address(int.from_bytes(digest[:4]) | 1)


def configuration(settings: BgpSettings, speaker: Speaker, routes: Collection[IPNetwork]) -> str:
    """Return the file for a node that announces these routes to all peers of a family in which it has an address."""
    return "\n".join(_lines(settings, speaker, routes)) + "\n"


def protocol_name(peer: BgpPeer) -> str:
    """Return the name of the peer's session in bird."""
    return f"peer_{int(ipaddress.ip_address(peer.address)):x}"


def _lines(settings: BgpSettings, speaker: Speaker, routes: Collection[IPNetwork]) -> Iterator[str]:
    yield "log stderr all;"
    yield f"router id {speaker.router_id};"
    yield f"graceful restart wait {RECOVERY_SECONDS};"
    yield "protocol device { scan time 60; }"
    for version in (4, 6):
        yield f"protocol static announced{version} {{"
        yield f"  ipv{version};"
        for network in _sorted(routes, version):
            # bird's own table alone has this route, so nothing is dropped: its kind makes bird the next hop.
            yield f"  route {network} blackhole;"
        yield "}"
    for peer in settings.peers:
        if (local := speaker.addresses.get(peer.version)) is not None:
            yield from _peer(settings.local_as, peer, local, speaker)


def _peer(local_as: int, peer: BgpPeer, local: IPAddress, speaker: Speaker) -> Iterator[str]:
    yield f"protocol bgp {protocol_name(peer)} {{"
    yield f"  local {local} as {local_as};"
    yield f"  neighbor {peer.address} as {peer.remote_as};"
    yield "  multihop;"
    yield f"  hold time {HOLD_SECONDS}; keepalive time {KEEPALIVE_SECONDS};"
    yield "  connect delay time 1; connect retry time 5; error wait time 1, 10;"
    yield f"  graceful restart on; graceful restart time {RESTART_SECONDS};"
    for version, address in sorted(speaker.addresses.items()):
        yield f"  ipv{version} {{"
        yield f'    import none; export where proto = "announced{version}"; next hop address {address};'
        yield "  };"
    yield "}"


def _sorted(routes: Iterable[IPNetwork], version: int) -> list[IPNetwork]:
    return sorted((network for network in routes if network.version == version), key=_position)


def _position(network: IPNetwork) -> tuple[int, int]:
    return int(network.network_address), network.prefixlen
