"""Options that several verbs share."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from podwire.cli import prune

if TYPE_CHECKING:
    from podwire.insight.snapshot.opening import Sources
    from podwire.insight.target import Choice
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
    """`--name`, `--context` and `--kubeconfig`: a world or a cluster, as `insight.target.choose` has the default."""
    for option in (
        click.option(
            "--kubeconfig", default="", metavar="FILE", help="Read the context from this file only, not from kubectl's."
        ),
        click.option("--context", default="", help="A context of the kubeconfig.  [default: its current one]"),
        click.option(
            "--name",
            default=None,
            envvar="PODWIRE_NAME",
            help="A world on this machine; else the cluster or world of kubectl's current context.",
        ),
    ):
        command = option(command)
    return command


def source_options(command: CommandT) -> CommandT:
    """`-f`, `-k`, `-R`, `-n`, `--pod-range` and `target_options`: what objects an answer is made from."""
    for option in (
        click.option(
            "--pod-range",
            "pod_ranges",
            multiple=True,
            metavar="CIDR",
            help="Where pods without an address will be.  [default: the nodes' podCIDRs, else 10.244.0.0/16]",
        ),
        click.option(
            "-n",
            "--namespace",
            default="",
            help="The namespace of objects without one, and where names are looked up first.  [default: default]",
        ),
        click.option("-R", "--recursive", is_flag=True, help="Read folders in folders too."),
        click.option("-k", "--kustomize", multiple=True, metavar="FOLDER", help="Read what kubectl kustomize renders."),
        click.option(
            "-f",
            "--filename",
            "files",
            multiple=True,
            metavar="FILE",
            help="Read files, folders, '-' (helm template ...) or REVISION:PATH of git, not an API server.",
        ),
    ):
        command = option(command)
    return target_options(command)


def sources_of(
    files: tuple[str, ...], kustomize: tuple[str, ...], recursive: bool, namespace: str, pod_ranges: tuple[str, ...]
) -> Sources:
    """What `source_options` named, but for the target. Raises click.UsageError."""
    import ipaddress

    from podwire.insight.snapshot.opening import Sources

    try:
        ranges = tuple(map(ipaddress.ip_network, pod_ranges))
    except ValueError as error:
        raise click.UsageError(f"--pod-range: {error}") from None
    return Sources(files, kustomize, recursive, namespace or "default", ranges)


def nodes_option(command: CommandT) -> CommandT:
    """`--node`, any number of times."""
    return click.option(
        "--node", "nodes", multiple=True, metavar="NODE", help="This node only; may be repeated.  [default: all nodes]"
    )(command)


def node_local_option(command: CommandT) -> CommandT:
    """`--node-local`: how a verb runs in the pod of an agent."""
    return click.option(
        "--node-local", is_flag=True, help="Work on this machine, as in the pod of an agent; needs root."
    )(command)


def refuse_given(names: Iterable[str], reason: str) -> None:
    """Raise click.UsageError where one of these options is on the command line; `reason` follows its name.

    What the environment sets is for all commands of a shell, and is not meant.
    """
    context = click.get_current_context()
    for one in context.command.params:
        is_given = context.get_parameter_source(one.name or "") is ParameterSource.COMMANDLINE
        if one.name in names and is_given:
            raise click.UsageError(f"{max(one.opts, key=len)}: {reason}")


def only_on_this_machine(*names: str) -> None:
    """Refuse options beside `--node-local` that it would pass over: those of a target, and the given ones."""
    refuse_given(("name", "context", "kubeconfig", "nodes", *names), "leave it out: --node-local is this machine alone")


def choice(name: str | None, context: str, kubeconfig: str) -> Choice:
    """What `target_options` named. Raises click.UsageError.

    Worlds that were killed are cleared away first: what is current in the kubeconfig must not be the context of one.
    """
    from podwire.insight.target import Choice

    prune.dead_worlds()
    if name is not None and (context or kubeconfig):
        if click.get_current_context().get_parameter_source("name") is not ParameterSource.ENVIRONMENT:
            raise click.UsageError("--name chooses a world, --context and --kubeconfig a cluster: use one of them")
        name = None
    return Choice(name, context, kubeconfig)


def credentials_of(name: str | None, kubeconfig: str | None, context: str) -> Credentials:
    """The API server that `target_options` choose. Raises WorldError, KubeconfigError and CredentialsError."""
    from podwire.insight import target

    return target.choose(choice(name, context, kubeconfig or "")).credentials


def patience_option(command: CommandT) -> CommandT:
    """`--timeout` of what is waited for."""
    return click.option(
        "--timeout",
        "patience",
        type=click.FloatRange(min=1),
        default=300.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for nodes without any progress.",
    )(command)


def installing(command: CommandT) -> CommandT:
    """Show errors of an installation alone, with exit status 1."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        from podwire.install.cluster_objects import InstallError
        from podwire.install.settings import SettingsError

        try:
            command(**given)
        except (InstallError, SettingsError) as error:
            click.echo(f"podwire: {error}", err=True)
            sys.exit(1)

    return cast("CommandT", run)
