"""podwire down"""

from __future__ import annotations

import click

from podwire.cli import remains
from podwire.cli.options import doomed_name_option


@click.command()
@doomed_name_option
@click.option("--all", "everything", is_flag=True, help="End all worlds of this user.")
def command(name: str | None, *, everything: bool) -> None:
    """End a world: its processes, namespaces and files are gone when this returns.

    \b
    podwire down
    podwire down --name shop

    Where kubectl's current context was this world's and others run, it becomes that of the one that started last. What
    a killed world left on the host is cleared away too.
    """
    from podwire.lab.host import select_world, stop, worlds

    cleared = remains.clear()
    if everything:
        doomed = worlds.living()
    elif name in cleared or (name is None and cleared and not worlds.living()):
        doomed = []
    else:
        doomed = [select_world.choose_to_end(name)]
    chosen = ""
    for world in doomed:
        chosen = stop.stop(world)
        click.echo(f"World '{world.name}' is gone.")
    if chosen:
        click.echo(f"kubectl's current context is now {chosen}.")
