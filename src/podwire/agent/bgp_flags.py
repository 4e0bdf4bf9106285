"""The flags of `podwire agent` about BGP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from podwire.announcement.bgp_settings import BgpPeer, BgpSettings, PeerError, as_number, peer

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class AsNumber(click.ParamType[Any]):
    """The number of an autonomous system."""

    name = "AS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            return value if isinstance(value, int) else as_number(value)
        except PeerError as error:
            self.fail(str(error), param, ctx)


class Peer(click.ParamType[Any]):
    """A router and its AS."""

    name = "ADDRESS:AS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> BgpPeer:
        """The peer."""
        try:
            return value if isinstance(value, BgpPeer) else peer(value)
        except PeerError as error:
            self.fail(str(error), param, ctx)


def bgp_options(command: FunctionT) -> FunctionT:
    """Add the flags of BGP to a command."""
    command = click.option(
        "--bgp-peer",
        "bgp_peers",
        type=Peer(),
        multiple=True,
        envvar="PODWIRE_BGP_PEERS",
        show_envvar=True,
        help="A router that gets routes by BGP, to the addresses of --announce-cidrs and to pods; several if repeated.",
    )(command)
    command = click.option(
        "--bgp-announce-pod-cidrs",
        "bgp_pod_ranges",
        is_flag=True,
        envvar="PODWIRE_BGP_ANNOUNCE_POD_CIDRS",
        show_envvar=True,
        help="Announce the node's pod ranges to these routers, so that they route pods' packets between the nodes.",
    )(command)
    return click.option(
        "--bgp-local-as",
        type=AsNumber(),
        envvar="PODWIRE_BGP_LOCAL_AS",
        show_envvar=True,
        help="The AS of the nodes; needs the program bird (Debian's bird2).",
    )(command)


def settings(given: dict[str, Any]) -> BgpSettings | None:
    """Take these flags out of `given`. Raises click.UsageError where one is there without those that it needs."""
    local_as, peers, pod_ranges = (given.pop(name) for name in ("bgp_local_as", "bgp_peers", "bgp_pod_ranges"))
    if local_as is None and not peers and not pod_ranges:
        return None
    if local_as is None or not peers:
        raise click.UsageError(
            "--bgp-local-as and --bgp-peer need each other: give the AS of the nodes and their routers"
        )
    if not given["announce_ranges"] and not pod_ranges:
        raise click.UsageError(
            "--bgp-peer: give what to announce too, --announce-cidrs RANGES or --bgp-announce-pod-cidrs"
        )
    if len({one.address for one in peers}) != len(peers):
        raise click.UsageError("--bgp-peer: one address is given twice; give each router once")
    return BgpSettings(local_as, tuple(peers), pod_ranges)
