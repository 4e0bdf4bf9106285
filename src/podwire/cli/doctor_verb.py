"""podwire doctor"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from podwire.cli.options import (
    choice,
    node_local_option,
    nodes_option,
    only_on_this_machine,
    output_option,
    target_options,
)

if TYPE_CHECKING:
    from podwire.insight.doctor.report import Report


@click.command()
@target_options
@nodes_option
@output_option
@node_local_option
@click.option("--request", default="", hidden=True, help="Print the facts that this JSON requests, as JSON.")
def command(nodes: tuple[str, ...], output: str, node_local: bool, request: str, **target: str) -> None:
    """Check a cluster or a world and each of its nodes; name what is wrong and what to do.

    The nodes are examined through the pods of their agents. With --node-local it is this machine, also before podwire
    is installed. The exit status is 1 where there is an error.

    \b
    podwire doctor
    podwire doctor --context prod --node node-2 -o json
    sudo podwire doctor --node-local
    """
    import msgspec

    from podwire.insight.doctor.text import text

    if request:
        from podwire.insight.doctor import this_machine

        sys.stdout.buffer.write(this_machine.facts_json(request))
        return
    if node_local:
        only_on_this_machine()
    report = _of_this_machine() if node_local else _of_target(nodes, target)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        click.echo(text(report))
    sys.exit(report.exit_status)


def _of_this_machine() -> Report:
    from podwire.component.permissions import AGENT
    from podwire.insight.doctor import this_machine
    from podwire.insight.doctor.examine import examine_node

    return examine_node(this_machine.facts(), AGENT)


def _of_target(nodes: tuple[str, ...], given: dict[str, str]) -> Report:
    from podwire.insight.doctor import cluster_survey
    from podwire.insight.doctor.examine import examine
    from podwire.insight.target import choose

    target = choose(choice(**given))
    where = f"World {target.world.name}" if target.world is not None else f"Cluster {target.context}"
    return examine(where, cluster_survey.read(target, nodes, _Progress().answered))


class _Progress:
    """Shows how many nodes have answered, where it takes longer than a second."""

    def __init__(self) -> None:
        self._shown = time.monotonic()
        self._count = 0

    def answered(self, node: str, expected: int) -> None:
        """Count a node."""
        self._count += 1
        if time.monotonic() - self._shown > 1 and self._count < expected:
            self._shown = time.monotonic()
            click.echo(f"{node} is examined: {self._count} of {expected}", err=True)
