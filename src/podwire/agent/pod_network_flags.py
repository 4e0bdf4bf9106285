"""The flags of `podwire agent` about the pods' network: ranges, and how packets travel between nodes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from podwire.component.flags import NamespacePoolText, RangeList
from podwire.kernel.elements import IPNetwork
from podwire.kube.pod_pools import NamespacePool, PoolError, added_ranges, namespace_pools
from podwire.pods.mode import Mode
from podwire.pods.model import MASQUERADE_PORTS, Cluster, Overlay

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

VERSIONS = {"auto": 0, "ipv4": 4, "ipv6": 6}
MODES = click.Choice([mode.value for mode in Mode])
SMALLEST_MTU, LARGEST_MTU = 1350, 65535
"""IPv6 needs 1280 bytes (RFC 8200), and VXLAN takes up to 70 of what is between nodes."""

_OPTIONS = (
    click.option(
        "--pod-cidrs",
        type=RangeList(any_number=True),
        envvar="PODWIRE_POD_CIDRS",
        required=True,
        show_envvar=True,
        help="The ranges of all pods of the cluster.",
    ),
    click.option(
        "--namespace-pool",
        "pools",
        type=NamespacePoolText(),
        multiple=True,
        envvar="PODWIRE_NAMESPACE_POOLS",
        show_envvar=True,
        help="Pods of namespaces with the label podwire.dev/pod-pool=NAME get addresses of this pool, of which"
        " podwire controller gives each node a range. Repeat it for more pools.",
    ),
    click.option(
        "--overlay",
        type=MODES,
        envvar="PODWIRE_OVERLAY",
        default=Mode.DIRECT.value,
        show_default=True,
        help="How packets travel between nodes: by routes on their link (direct), also by routers that know all pod"
        " ranges (routed), in VXLAN, in VXLAN to other subnets only (cross-subnet), or by another program (none).",
    ),
    click.option(
        "--overlay-accept",
        type=MODES,
        envvar="PODWIRE_OVERLAY_ACCEPT",
        show_envvar=True,
        help="Receive packets of this mode as well, while the nodes change from one to the other.",
    ),
    click.option(
        "--vxlan-port",
        type=click.IntRange(1, MASQUERADE_PORTS.start - 1),
        envvar="PODWIRE_VXLAN_PORT",
        default=Overlay().port,
        show_default=True,
        help="The UDP port of VXLAN, the same on all nodes.",
    ),
    click.option(
        "--vxlan-over",
        type=click.Choice(list(VERSIONS)),
        envvar="PODWIRE_VXLAN_OVER",
        default="auto",
        show_default=True,
        help="The IP version that carries VXLAN, the same on all nodes; auto: IPv4 from nodes that have it.",
    ),
    click.option(
        "--pod-access-cidrs",
        type=RangeList(any_number=True),
        envvar="PODWIRE_POD_ACCESS_CIDRS",
        default=(),
        show_envvar=True,
        help="Hosts in these ranges reach pods directly, as nodes do: a control plane behind address translation.",
    ),
    click.option(
        "--mtu",
        type=click.IntRange(SMALLEST_MTU, LARGEST_MTU),
        envvar="PODWIRE_MTU",
        show_envvar=True,
        help="The largest packet between nodes, in bytes; without it that of the node's link.",
    ),
)


def pod_network_options(command: FunctionT) -> FunctionT:
    """Add the flags of the pods' network to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def cluster(given: dict[str, Any], *, router_knows_pods: bool) -> Cluster:
    """Take these flags out of `given`. Raises click.UsageError.

    Direct routes lead by the routers to nodes of other subnets where the nodes announce their ranges to these.
    """
    mode, accepts = Mode(given.pop("overlay")), given.pop("overlay_accept")
    if mode is Mode.DIRECT and router_knows_pods:
        mode = Mode.ROUTED
    if accepts is not None and Mode.NONE in {mode, Mode(accepts)}:
        raise click.UsageError("--overlay-accept: there is no change from or to --overlay none that needs it")
    pools = given.pop("pools")
    if pools and mode is Mode.NONE:
        raise click.UsageError("--namespace-pool: with --overlay none another program gives pods their addresses")
    return Cluster(
        ranges=_with_pools(tuple(map(ipaddress.ip_network, given.pop("pod_cidrs"))), pools),
        mode=mode,
        vxlan=Overlay(port=given.pop("vxlan_port"), version=VERSIONS[given.pop("vxlan_over")]),
        accepts=None if accepts is None else Mode(accepts),
        access=tuple(map(ipaddress.ip_network, given.pop("pod_access_cidrs"))),
        underlay_mtu=given.pop("mtu"),
        pools=pools,
    )


def _with_pools(ranges: tuple[IPNetwork, ...], pools: Sequence[NamespacePool]) -> tuple[IPNetwork, ...]:
    """The ranges of all pods, with those of pools that are outside of them. Raises click.UsageError."""
    try:
        namespace_pools(pools)
    except PoolError as error:
        raise click.UsageError(str(error)) from None
    outside = added_ranges(ranges, pools)
    for network in outside:
        inner = next((one for one in ranges if one.version == network.version and one.overlaps(network)), None)
        if inner is not None:
            raise click.UsageError(f"--namespace-pool: {network} has {inner} of --pod-cidrs in it; use another range")
    return (*ranges, *outside)
