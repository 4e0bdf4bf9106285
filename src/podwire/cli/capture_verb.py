"""podwire capture"""

from __future__ import annotations

import sys
from contextlib import suppress

import click

from podwire.cli.options import name_option


@click.command()
@name_option
@click.argument("pod")
@click.option("-w", "--write", type=click.File("wb"), default="-", help="File to write; '-' is standard output.")
@click.option("-c", "--count", type=int, help="Stop after this many packets.")
@click.option("--seconds", type=float, help="Stop after this time.")
@click.option("-i", "--interface", default="eth0", show_default=True, help="Interface in the pod.")
def command(
    name: str | None, pod: str, write: click.File, count: int | None, seconds: float | None, interface: str
) -> None:
    """Write the packets of POD (or NAMESPACE/POD, or a node) as pcap, until Ctrl-C.

    \b
    podwire capture shop/backend-5c9f | tcpdump -nr -
    podwire capture web -w web.pcap --seconds 10
    """
    from podwire.lab.host import nsenter, select_world, worlds
    from podwire.lab.network import capture

    if write is sys.stdout.buffer and sys.stdout.isatty():
        raise worlds.WorldError("capture: pcap is no text; use -w FILE, or pipe it into 'tcpdump -nr -'")
    world = select_world.choose_ready(name)
    nsenter.enter(world, nsenter.place_of(world, pod).network)
    seen = 0
    with suppress(KeyboardInterrupt, BrokenPipeError):
        seen = capture.capture(interface, write, count, seconds)  # type: ignore[arg-type]
    click.echo(f"{seen} packets", err=True)
