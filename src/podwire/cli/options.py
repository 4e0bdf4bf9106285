"""Options that several verbs share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from podwire.kube.credentials import Credentials

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def name_option(command: CommandT) -> CommandT:
    """`--name`: which world; PODWIRE_NAME sets it for a shell. `lab.host.select_world` has the default."""
    return click.option(
        "--name",
        default=None,
        envvar="PODWIRE_NAME",
        help="The world's name; else the only one that runs, that of kubectl's current context, or 'default'.",
    )(command)


def down_name_option(command: CommandT) -> CommandT:
    """`--name` of a world to take down."""
    return click.option(
        "--name",
        default=None,
        envvar="PODWIRE_NAME",
        help="The world's name; else the only one that runs, or 'default', whatever kubectl's current context is.",
    )(command)


def new_name_option(command: CommandT) -> CommandT:
    """`--name` of a new world."""
    return click.option(
        "--name", default="default", show_default=True, envvar="PODWIRE_NAME", help="The world's name."
    )(command)


def output_option(command: CommandT) -> CommandT:
    """`-o json`: the same output for programs."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output form."
    )(command)


def target_options(command: CommandT) -> CommandT:
    """`--kubeconfig`, `--context` and `--name`: which cluster. `credentials_of` reads them."""
    command = name_option(command)
    command = click.option("--context", default="", help="A context of the kubeconfig.  [default: its current one]")(
        command
    )
    return click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False),
        help="The cluster's kubeconfig.  [default: that of kubectl]",
    )(command)


def credentials_of(name: str | None, kubeconfig: str | None, context: str) -> Credentials:
    """The API server that these options choose: of a kubeconfig, else of a world.

    Raises WorldError, KubeconfigError and CredentialsError.
    """
    from podwire.insight import target
    from podwire.kube import kubeconfig as file
    from podwire.lab.host.kubeconfig import current_file

    if kubeconfig or context:
        return file.load(Path(kubeconfig) if kubeconfig else current_file(), context)
    return target.choose(name).credentials


def patience_option(command: CommandT) -> CommandT:
    """`--timeout` of a rollout."""
    return click.option(
        "--timeout",
        "patience",
        type=click.FloatRange(min=1),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait without any progress.",
    )(command)


def installing(command: CommandT) -> CommandT:
    """Show errors of an installation alone, with exit status 1."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        from podwire.install.applying import InstallError
        from podwire.install.settings import SettingsError

        try:
            command(**given)
        except (InstallError, SettingsError) as error:
            click.echo(f"podwire: {error}", err=True)
            sys.exit(1)

    return cast("CommandT", run)
