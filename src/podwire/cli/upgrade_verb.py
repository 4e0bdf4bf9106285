"""podwire upgrade"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from podwire.cli.options import credentials_of, installing, patience_option, target_options
from podwire.install.flags import NOTHING, settings_flags, take_settings, unset

if TYPE_CHECKING:
    from podwire.install.revisions import Revision, Revisions
    from podwire.kube.credentials import Credentials


@click.command()
@target_options
@settings_flags
@click.option(
    "--unset", "names", type=click.Choice(list(NOTHING)), multiple=True, help="Take a setting back; may be repeated."
)
@click.option("--to-revision", type=click.IntRange(1), metavar="N", help="Go back to an earlier installation.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and which revisions are kept.")
@patience_option
@installing
def command(
    name: str | None,
    kubeconfig: str | None,
    context: str,
    names: tuple[str, ...],
    to_revision: int | None,
    dry_run: bool,
    patience: float,
    **given: Any,
) -> None:
    """Change an installation to this release of podwire, or to other settings, one node at a time.

    Settings that are not given stay as 'podwire install' made them. Each node's agent is replaced when the node before
    it is ready again; connections go on meanwhile. It stops at the first node that does not become ready: the agents of
    the others remain as they are, and --to-revision goes back.

    Another --overlay takes three such rounds: all nodes receive both ways, all send the new one, all close the old one.

    \b
    podwire upgrade --dry-run
    podwire upgrade
    podwire upgrade --image registry.example.org/podwire:0.2.0
    podwire upgrade --to-revision 1
    """
    from podwire.install import cluster_objects, connection

    values = take_settings(given) | unset(names)
    if to_revision is not None and values:
        raise click.UsageError("--to-revision has its own settings: give no others")
    credentials = credentials_of(name, kubeconfig, context)
    known = connection.run(credentials, cluster_objects.read_revisions)
    desired = _desired(known, values, to_revision)
    _show(known, desired)
    if not dry_run:
        _upgrade(credentials, known, desired, patience)


def _desired(known: Revisions, values: dict[str, Any], number: int | None) -> Revision:
    from podwire.install import installation, revisions
    from podwire.install.settings import SettingsError

    now = revisions.newest(known)
    if values.get("dns") and now is not None and not now.settings.dns:
        raise SettingsError("--dns: run 'podwire install --dns', which reads what serves the cluster's DNS now")
    return installation.upgraded(known, values) if number is None else revisions.chosen(known, number)


def _show(known: Revisions, desired: Revision) -> None:
    """Print the revisions, and what changes."""
    from podwire.install import installation

    for number, one in known.items():
        click.echo(f"revision {number}: {one.settings.image}, release {one.settings.version}")
    click.echo("\n".join(installation.plan(known, desired)) or "nothing to change")


def _upgrade(credentials: Credentials, known: Revisions, desired: Revision, patience: float) -> None:
    from podwire.install import connection, installation
    from podwire.install.cluster_objects import InstallError

    work = functools.partial(
        installation.bring_in_steps, desired=desired, known=known, report=click.echo, patience=patience
    )
    try:
        connection.run(credentials, work)
    except InstallError as error:
        back = f"to go back: podwire upgrade --to-revision {max(known)}"
        raise InstallError(f"{error}\nthe upgrade has stopped; {back}") from error
    click.echo(f"every node that is up runs {desired.settings.image}")
