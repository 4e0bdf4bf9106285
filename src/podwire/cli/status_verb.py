"""podwire status"""

from __future__ import annotations

import asyncio

import click

from podwire.cli import prune
from podwire.cli.options import output_option


@click.command()
@click.option("--name", default=None, envvar="PODWIRE_NAME", help="The world's name; all worlds where none is given.")
@output_option
def command(name: str | None, output: str) -> None:
    """Show the worlds of this user: nodes, pods, Services, and where to reach them.

    Of a Service that clients outside of the cluster use, it shows each address and port there and on this machine.

    \b
    podwire status
    podwire status --name shop -o json
    """
    import msgspec

    from podwire.lab.host import credentials, worlds
    from podwire.lab.host import status as report

    prune.dead_worlds()
    chosen = [worlds.find(name)] if name else worlds.living()
    ready = [world for world in chosen if not worlds.starting(world.name)]
    for world in chosen:
        if world not in ready:
            click.echo(f"World '{world.name}' is starting; see 'podwire logs --name {world.name}'.", err=True)
    found = [asyncio.run(report.gather(world, credentials.of_host(world))) for world in ready]
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    elif found:
        click.echo("\n\n".join(report.text(status) for status in found))
    elif not chosen:
        click.echo("No world is running; start one with 'podwire up'.")
