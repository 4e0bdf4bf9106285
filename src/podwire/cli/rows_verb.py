"""podwire rows"""

from __future__ import annotations

import click

from podwire.cli.options import name_option


@click.command()
@name_option
@click.argument("capability", type=click.Choice(["services", "policy", "pods", "announcement"]))
@click.option("--node", default="node-1", show_default=True, help="Whose kernel.")
def command(name: str | None, capability: str, node: str) -> None:
    """Show the rows of one capability on one node: what its kernel should hold, one row a line.

    \b
    podwire rows services
    podwire rows policy --node node-2
    podwire rows announcement --node node-2
    """
    from podwire.lab.host import nsenter, select_world

    click.echo(nsenter.rows(select_world.choose_ready(name), node, capability), nl=False)
