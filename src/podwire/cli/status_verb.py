"""podwire status"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from podwire.cli.options import choice, output_option, target_options

if TYPE_CHECKING:
    from podwire.insight.target import Target


@click.command()
@target_options
@output_option
def command(output: str, **target: str) -> None:
    """Show the cluster of kubectl's current context, or the worlds of this user.

    Of a cluster: nodes with podwire's agents, its other programs, and load balancers. Of a world: nodes, pods, and for
    each Service that clients outside of the cluster use, its addresses and ports there and on this machine.

    \b
    podwire status
    podwire status --name shop -o json
    podwire status --context prod
    """
    from podwire.insight import target as targets

    chosen = choice(**target)
    if targets.names_cluster(chosen):
        _cluster(targets.choose(chosen), output)
    else:
        named = targets.choose(chosen).world if chosen.context or chosen.kubeconfig else None
        _worlds(named.name if named is not None else chosen.name, output)


def _cluster(target: Target, output: str) -> None:
    import msgspec

    from podwire.insight.status import reading, report
    from podwire.lab.host import worlds

    for world in worlds.living():
        click.echo(f"World '{world.name}' runs too: 'podwire status --name {world.name}'.", err=True)
    found = reading.of_cluster(target)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        click.echo(report.text(found))


def _worlds(name: str | None, output: str) -> None:
    import msgspec

    from podwire.lab.host import credentials, worlds
    from podwire.lab.host import status as report

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
