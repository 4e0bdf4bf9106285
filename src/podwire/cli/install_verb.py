"""podwire install"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from podwire.cli.options import credentials_of, installing, patience_option, target_options
from podwire.install.flags import settings_flags, take_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.install.chosen_settings import Choice
    from podwire.install.gateway_definitions import Definition
    from podwire.install.revisions import Revisions
    from podwire.kube.client import Client
    from podwire.kube.credentials import Credentials


@click.command()
@target_options
@settings_flags
@click.option(
    "-o", "--output", type=click.Choice(["yaml", "json", "helm"]), help="Print the manifests, or values for the chart."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; without -o, show what would change.")
@patience_option
@installing
def command(
    name: str | None,
    kubeconfig: str | None,
    context: str,
    output: str | None,
    dry_run: bool,
    patience: float,
    **given: Any,
) -> None:
    """Install podwire as the network of a cluster, and wait until every node is ready.

    It reads the cluster's ranges and the address of its API server where they are not given, applies the manifests as
    field manager 'podwire', and reports each node. Run again, it changes the settings that are given.

    With -o nothing is changed; with --server, --pod-cidrs and --service-cidrs too, no cluster is read.

    \b
    podwire install --dry-run
    podwire install
    podwire install --gateway-api standard
    podwire install -o yaml | kubectl apply --server-side -f -
    podwire install -o helm > values.yaml; helm install podwire deploy/chart -n kube-system -f values.yaml
    podwire install --replace-kube-proxy --overlay vxlan --image registry.example.org/podwire:0.1.0
    """
    from podwire.install import chosen_settings

    values = take_settings(given)
    if output is not None and chosen_settings.is_complete(values):
        _print(chosen_settings.choose(values, None), (), output)
        return
    credentials = credentials_of(name, kubeconfig, context)
    choice, known, definitions = _read(values, credentials)
    if output is not None:
        _print(choice, definitions, output)
    elif dry_run:
        _show(choice, known, definitions)
    else:
        _install(credentials, choice, known, patience)


def _read(values: dict[str, Any], credentials: Credentials) -> tuple[Choice, Revisions, list[Definition]]:
    from podwire.install import chosen_settings, cluster_objects, connection, gateway_definitions, installation
    from podwire.install.cluster_reading import read_cluster

    async def read(client: Client) -> tuple[Choice, Revisions, list[Definition]]:
        cluster = await read_cluster(client, credentials.server)
        known = await cluster_objects.read_revisions(client)
        if known:
            choice = chosen_settings.kept(installation.upgraded(known, values).settings, cluster)
        else:
            choice = chosen_settings.choose(values, cluster)
        return choice, known, await gateway_definitions.read(client)

    return connection.run(credentials, read)


def _print(choice: Choice, existing: Sequence[Definition], output: str) -> None:
    from podwire.install import gateway_definitions, own_definitions
    from podwire.install.manifests import text
    from podwire.install.manifests.objects import manifests

    _explain(choice)
    plan = gateway_definitions.plan_of(choice.settings.gateway_api, existing)
    if plan.note:
        click.echo(f"note: {plan.note}", err=True)
    if plan.applied and output == "helm":
        click.echo(f"note: {gateway_definitions.BESIDE_THE_CHART}", err=True)
    objects = (*own_definitions.manifests(), *plan.manifests, *manifests(choice.settings))
    if output == "helm":
        click.echo(text.dump(text.chart_values(choice.settings)), nl=False)
    else:
        click.echo(text.as_yaml(objects) if output == "yaml" else text.as_json(objects), nl=False)


def _show(choice: Choice, known: Revisions, existing: Sequence[Definition]) -> None:
    from podwire.install import gateway_definitions, installation, own_definitions
    from podwire.install.revisions import of_settings

    _explain(choice)
    plan = gateway_definitions.plan_of(choice.settings.gateway_api, existing)
    if plan.note:
        click.echo(f"note: {plan.note}", err=True)
    lines = (
        *own_definitions.changes(existing),
        *plan.changes(existing),
        *installation.plan(known, of_settings(choice.settings)),
    )
    click.echo("\n".join(lines) or "nothing would change")


def _install(credentials: Credentials, choice: Choice, known: Revisions, patience: float) -> None:
    from podwire.install import connection, installation
    from podwire.install.revisions import of_settings

    _explain(choice)
    work = functools.partial(
        installation.bring_in_steps,
        desired=of_settings(choice.settings),
        known=known,
        report=click.echo,
        patience=patience,
    )
    connection.run(credentials, work)
    click.echo("podwire is the network of this cluster: every node that is up is ready")


def _explain(choice: Choice) -> None:
    for line in (*choice.sources, *(f"note: {hint}" for hint in choice.hints)):
        click.echo(line, err=True)
