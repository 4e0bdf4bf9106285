"""podwire logs"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import name_option


@click.command()
@name_option
@click.argument("process", required=False)
def command(name: str | None, process: str | None) -> None:
    """Show the log of one of podwire's own processes; without PROCESS, the names of all that have one.

    A pod's output is 'kubectl logs'.

    \b
    podwire logs apiserver
    """
    from podwire.lab.host import select_world, worlds

    world = select_world.choose(name)
    logs = {path.stem: path for path in sorted((world.folder / "logs").glob("*.log"))}
    if process is None:
        for stem in logs:
            click.echo(stem)
    elif process in logs:
        sys.stdout.write(logs[process].read_text(errors="replace"))
    else:
        raise worlds.WorldError(f"no process '{process}' in world '{world.name}'; there are: {', '.join(logs)}")
