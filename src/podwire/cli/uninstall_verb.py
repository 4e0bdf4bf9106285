"""podwire uninstall"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import credentials_of, installing, patience_option, target_options


@click.command()
@target_options
@click.option("--image", metavar="IMAGE", help="The image that restores the nodes.  [default: that of the agents]")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted.")
@patience_option
@installing
def command(
    name: str | None, kubeconfig: str | None, context: str, image: str | None, dry_run: bool, patience: float
) -> None:
    """Remove podwire from a cluster, and restore every node: rules, routes, links, CNI files, sysctls.

    Pods that have podwire's network lose it, and new ones wait until the cluster has another network. A kube-proxy that
    podwire replaced runs again first. Nodes that are down are named, and the exit status is 1: run it again when they
    are back.

    \b
    podwire uninstall --dry-run
    podwire uninstall
    """
    from podwire.install import connection, removal
    from podwire.kube.client import Client

    credentials = credentials_of(name, kubeconfig, context)

    async def remove(client: Client) -> list[str]:
        chosen = image or await removal.image(client)
        return await removal.uninstall(client, chosen, click.echo, patience)

    if dry_run:
        objects = connection.run(credentials, removal.found)
        click.echo("\n".join(f"delete {one}" for one in objects) or "nothing of podwire is in this cluster")
        return
    left = connection.run(credentials, remove)
    for line in left:
        click.echo(f"podwire: {line}; it is not restored: run this again", err=True)
    if left:
        sys.exit(1)
    click.echo("podwire is removed, and every node is restored")
