"""podwire install"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from podwire.cli.options import credentials_of, target_options
from podwire.install.flags import settings_flags, take_settings

if TYPE_CHECKING:
    from podwire.install.choosing import Choice
    from podwire.install.settings import Settings
    from podwire.kube.credentials import Credentials


@click.command()
@target_options
@settings_flags
@click.option(
    "-o", "--output", type=click.Choice(["yaml", "json", "helm"]), help="Print the manifests, or values for the chart."
)
def command(name: str | None, kubeconfig: str | None, context: str, output: str | None, **given: Any) -> None:
    """Install podwire as the network of a cluster.

    With -o nothing is changed, and with --server, --pod-cidrs and --service-cidrs no cluster is read either.

    \b
    podwire install -o yaml | kubectl apply -f -
    """
    from podwire.install import choosing
    from podwire.install.settings import SettingsError

    values = take_settings(given)
    try:
        offline = output is not None and choosing.is_complete(values)
        choice = (
            choosing.choose(values, None) if offline else _choose(values, credentials_of(name, kubeconfig, context))
        )
    except SettingsError as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(1)
    for line in (*choice.sources, *choice.hints):
        click.echo(line, err=True)
    click.echo(_text(choice.settings, output or "yaml"), nl=False)


def _choose(values: dict[str, Any], credentials: Credentials) -> Choice:
    from podwire.install import choosing
    from podwire.install.reading import read_cluster
    from podwire.kube.client import Client

    async def read() -> Choice:
        async with Client(credentials, "podwire-install") as client:
            return choosing.choose(values, await read_cluster(client, credentials.server))

    return asyncio.run(read())


def _text(settings: Settings, output: str) -> str:
    from podwire.install import text
    from podwire.install.manifests import manifests

    if output == "helm":
        return text.dump(text.chart_values(settings))
    return text.as_yaml(manifests(settings)) if output == "yaml" else text.as_json(manifests(settings))
