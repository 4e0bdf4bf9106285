"""podwire rows"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import choice, node_local_option, nodes_option, only_on_this_machine, target_options


@click.command()
@target_options
@click.argument(
    "capability", type=click.Choice(["services", "policy", "pods", "announcement", "egress", "redirection"])
)
@nodes_option
@node_local_option
@click.option("--held", is_flag=True, hidden=True, help="The rows of services that the kernel holds, as JSON.")
def command(capability: str, nodes: tuple[str, ...], node_local: bool, held: bool, **target: str) -> None:
    """Show the rows of one capability: what the kernels of the nodes should hold, one row a line.

    With several nodes the name of the node is before each row.

    \b
    podwire rows services
    podwire rows policy --node node-2
    podwire rows announcement --context prod
    """
    from podwire.insight.operations import held_rows, rows
    from podwire.insight.target import choose

    if node_local:
        only_on_this_machine()
    if held and node_local:
        sys.stdout.buffer.write(held_rows.of_this_node())
    elif node_local:
        click.echo(rows.of_this_node(capability), nl=False)
    else:
        answers = rows.of_nodes(choose(choice(**target)), capability, nodes)
        for answer in answers:
            if answer.error:
                click.echo(f"podwire: {answer.error}", err=True)
            prefix = f"{answer.node}  " if len(answers) > 1 else ""
            for line in answer.output.decode().splitlines():
                click.echo(prefix + line)
        sys.exit(any(answer.error for answer in answers))
