"""podwire logs"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from podwire.cli.options import choice, nodes_option, target_options

if TYPE_CHECKING:
    from podwire.insight.target import Target


@click.command()
@target_options
@click.argument("process", required=False)
@nodes_option
@click.option("-f", "--follow", is_flag=True, help="Show what is logged from now on too, until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), metavar="LINES", help="Only the last lines of each log.")
def command(process: str | None, nodes: tuple[str, ...], follow: bool, tail: int | None, **target: str) -> None:
    """Show the log of one of podwire's own processes; without PROCESS, the names of all that have one.

    In a cluster PROCESS is agent, dns or controller: its logs of all nodes, each line with its node. In a world it is a
    process such as apiserver or agent-node-1, and agent is that of all nodes. A pod's output is 'kubectl logs'.

    \b
    podwire logs apiserver
    podwire logs agent -f --tail 10
    podwire logs agent --node node-2 --context prod
    """
    from podwire.insight import target as targets
    from podwire.lab.host import logs, select_world

    chosen = choice(**target)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        if targets.names_cluster(chosen):
            _of_cluster(targets.choose(chosen), process, nodes, follow=follow, tail=tail)
            return
        world = select_world.choose(chosen.name)
        if process is None:
            click.echo("\n".join(logs.processes(world)))
        else:
            logs.write(logs.chosen(world, process, nodes), _write, tail=tail, follow=follow)


def _of_cluster(target: Target, process: str | None, nodes: tuple[str, ...], *, follow: bool, tail: int | None) -> None:
    from podwire.insight.operations import logs
    from podwire.insight.operations.programs import Program

    if process is None:
        click.echo(target.read(logs.listing), nl=False)
        return
    names = [program.value for program in Program]
    if process not in names:
        raise click.UsageError(f"{process}: in a cluster there are {', '.join(names)}")
    request = logs.LogRequest(Program(process), nodes, follow, tail)
    problems = target.read(lambda client: logs.write_all(client, request, _write))
    for problem in problems:
        click.echo(f"podwire: {problem}", err=True)
    sys.exit(bool(problems))


def _write(piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
