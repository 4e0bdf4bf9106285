"""podwire down"""

from __future__ import annotations

import click

from podwire.cli import prune
from podwire.cli.options import down_name_option


@click.command()
@down_name_option
@click.option("--all", "everything", is_flag=True, help="End all worlds of this user.")
def command(name: str | None, *, everything: bool) -> None:
    """End a world: its processes, namespaces and files do not exist any more when this returns.

    \b
    podwire down
    podwire down --name shop

    If kubectl's current context was this world's and others run, it becomes that of the one that started last. What
    a killed world left on the host is removed too.
    """
    from podwire.lab.host import select_world, stop, worlds

    cleared = prune.dead_worlds()
    if everything:
        ending = worlds.living()
    elif name in cleared or (name is None and cleared and not worlds.living()):
        ending = []
    else:
        ending = [select_world.choose_to_end(name)]
    chosen = ""
    for world in ending:
        chosen = stop.stop(world)
        click.echo(f"World '{world.name}' is gone.")
    if chosen:
        click.echo(f"kubectl's current context is now {chosen}.")
