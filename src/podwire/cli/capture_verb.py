"""podwire capture"""

from __future__ import annotations

import ipaddress
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

import click

from podwire.cli.options import choice, node_local_option, only_on_this_machine, target_options

MOST_PORTS = 24
"""Of `kernel/packet_filter.py`, less those by which a capture travels."""

if TYPE_CHECKING:
    from podwire.insight.target import Target
    from podwire.kernel.capture import Limits
    from podwire.lab.host.worlds import World


@click.command()
@target_options
@click.argument("target", metavar="POD", required=False)
@click.option("-w", "--write", type=click.File("wb"), default="-", help="File to write; '-' is standard output.")
@click.option("-c", "--count", type=int, help="Stop after this many packets.")
@click.option("--seconds", type=float, help="Stop after this time.")
@click.option(
    "-i", "--interface", default="", help="Interface in the pod, or of the node.  [default: eth0; a node's uplink]"
)
@click.option("--without-port", "without", type=int, multiple=True, help="Leave out packets of this TCP port.")
@node_local_option
def command(
    target: str | None,
    write: BinaryIO,
    count: int | None,
    seconds: float | None,
    interface: str,
    without: tuple[int, ...],
    node_local: bool,
    **chosen: str,
) -> None:
    """Write the packets of POD as pcap, until Ctrl-C: a pod, a workload (of which a ready pod is chosen) or a node.

    In a cluster the agent of the node captures them at the pod's link there; of a node without the ports of kubelet and
    API server, by which they travel. With --node-local POD is an address of a
    pod, and the capture ends with the end of standard input.

    \b
    podwire capture shop/backend-5c9f | tcpdump -nr -
    podwire capture shop/frontend -w web.pcap --seconds 10
    podwire capture node-2 -i eth0 --context prod | tcpdump -nr -
    """
    from podwire.insight.target import choose
    from podwire.kernel.capture import Limits

    if write is sys.stdout.buffer and sys.stdout.isatty():
        raise click.UsageError("pcap is no text: use -w FILE, or pipe it into 'tcpdump -nr -'")
    if len(without) > MOST_PORTS:
        raise click.UsageError(f"--without-port: at most {MOST_PORTS} ports")
    if target is None and not node_local:
        raise click.UsageError("name a pod or a node")
    limits = Limits(count, seconds, without_ports=without)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        if node_local:
            only_on_this_machine()
            _on_this_node(target, interface, write, limits)
            return
        place = choose(choice(**chosen))
        if place.world is not None:
            _in_world(place.world, str(target), interface, write, limits)
        else:
            sys.exit(_in_cluster(place, str(target), interface, write, limits))


def _on_this_node(address: str | None, interface: str, write: BinaryIO, limits: Limits) -> None:
    import msgspec

    from podwire.insight.operations import packets
    from podwire.kernel.capture import capture

    link = packets.link_to(ipaddress.ip_address(address)) if address else interface or packets.uplink()
    capture(link, write, msgspec.structs.replace(limits, until_end_of=sys.stdin.fileno()))


def _in_world(world: World, target: str, interface: str, write: BinaryIO, limits: Limits) -> None:
    from podwire.kernel.capture import capture
    from podwire.lab.host import nsenter

    nsenter.enter(world, nsenter.place_of(world, target).network)
    seen = capture(interface or "eth0", write, limits)
    click.echo(f"{seen} packets", err=True)


def _in_cluster(place: Target, target: str, interface: str, write: BinaryIO, limits: Limits) -> int:
    import msgspec

    from podwire.insight.operations import packets
    from podwire.kube.client import Client

    counted = packets.Counted(write)

    async def stream(client: Client) -> int:
        found = await packets.place_of(client, target, interface)
        chosen = limits
        if not found.address:
            ports = packets.stream_ports(place.credentials.server)
            chosen = msgspec.structs.replace(limits, without_ports=(*limits.without_ports, *ports))
            click.echo(f"without TCP ports {', '.join(map(str, ports))}, by which the capture itself travels", err=True)
        return await packets.capture(client, found, chosen, counted.output)

    try:
        return place.read(stream)
    finally:
        click.echo(f"{counted.packets} packets", err=True)
