"""podwire node"""

from __future__ import annotations

import click

from podwire.cli.options import name_option


@click.group()
def command() -> None:
    """Switch a node off, as if its power failed, and on again.

    \b
    podwire node stop 2      the node is NotReady after 10 s, its pods start on other nodes
    podwire node start 2
    """


@command.command()
@name_option
@click.argument("node")
def stop(name: str | None, node: str) -> None:
    """Take the NODE's cable out and kill everything that it runs; it stays off until 'podwire node start'."""
    from podwire.lab.host import node_power, select_world

    click.echo(f"{node_power.switch(select_world.choose_ready(name), node, on=False)} is off.")


@command.command()
@name_option
@click.argument("node")
def start(name: str | None, node: str) -> None:
    """Switch the NODE on again."""
    from podwire.lab.host import node_power, select_world

    click.echo(f"{node_power.switch(select_world.choose_ready(name), node, on=True)} is on.")
