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

    Where kubectl's current context was this world's and one other world runs, it becomes that one's.
    """
    from podwire.lab import stop, worlds

    stop.prune()
    targets = [world for world in worlds.known() if world.alive] if everything else [worlds.find(name)]
    for world in targets:
        chosen = stop.stop(world)
        click.echo(f"World '{world.name}' is gone.")
        if chosen:
            click.echo(f"kubectl's current context is now {chosen}.")
