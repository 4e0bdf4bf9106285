"""podwire cni: a node's part of an installation, run by its pods"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from podwire.pods.runtime.node_files import NodeFiles

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def _folder(default: str) -> dict[str, Any]:
    return {"type": click.Path(file_okay=False, path_type=Path), "default": Path(default), "show_default": True}


def _folders(command: CommandT) -> CommandT:
    command = click.option("--state-dir", **_folder("/var/lib/podwire"), help="The agent's state.")(command)
    command = click.option("--conf-dir", **_folder("/etc/cni/net.d"), help="Network configurations.")(command)
    return click.option("--bin-dir", **_folder("/opt/cni/bin"), help="CNI plugins.")(command)


@click.group()
def command() -> None:
    """Place podwire's CNI plugin on this node, or remove everything of podwire from it.

    The pods of 'podwire install' and 'podwire uninstall' run it, as root in the network namespace of the node.
    """


@command.command()
@_folders
def install(bin_dir: Path, conf_dir: Path, state_dir: Path) -> None:
    """Write plugin and network configuration; files that were there before are kept for 'remove'."""
    from podwire.pods.runtime import node_files

    files = _files(bin_dir, conf_dir, state_dir)
    for line in node_files.place(files):
        click.echo(f"podwire: {line}", err=True)
    click.echo(f"{files.plugin} and {files.configuration} are in place")


@command.command()
@_folders
def remove(bin_dir: Path, conf_dir: Path, state_dir: Path) -> None:
    """Remove rules, routes, links, files and state of podwire, and restore files and sysctls from before.

    No agent may run on the node. The exit status is 1 where a step failed; run it again.
    """
    from podwire.agent import node_restoration

    result = node_restoration.restore(_files(bin_dir, conf_dir, state_dir))
    for line in result.done or ("nothing of podwire is on this node",):
        click.echo(line)
    for line in result.failed:
        click.echo(f"podwire: {line}", err=True)
    sys.exit(1 if result.failed else 0)


def _files(plugins: Path, configurations: Path, state: Path) -> NodeFiles:
    from podwire.pods.runtime.node_files import NodeFiles

    return NodeFiles(state, plugins, configurations)
