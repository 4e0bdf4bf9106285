"""podwire down"""

from __future__ import annotations

import click

from podwire.cli.options import name_option


@click.command()
@name_option
@click.option("--all", "everything", is_flag=True, help="End all worlds of this user.")
def command(name: str | None, *, everything: bool) -> None:
    """End a world: its processes, namespaces and files are gone when this returns.

    \b
    podwire down
    podwire down --name shop
    """
    from podwire.lab import stop, worlds

    stop.prune()
    targets = [world for world in worlds.known() if world.alive] if everything else [worlds.find(name)]
    for world in targets:
        stop.stop(world)
        click.echo(f"World '{world.name}' is gone.")
