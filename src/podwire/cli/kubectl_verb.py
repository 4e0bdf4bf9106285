"""podwire kubectl"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import name_option


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(name: str | None, arguments: tuple[str, ...]) -> None:
    """Run kubectl against a world, whatever the current context is.

    \b
    podwire kubectl get pods -A
    podwire kubectl --name shop -- -n shop get services
    """
    from podwire.lab.host import select_world
    from podwire.lab.host.manifests import run_kubectl

    sys.exit(run_kubectl(select_world.choose_ready(name), arguments))
