"""podwire explain"""

from __future__ import annotations

import sys

import click

from podwire.cli.options import choice, output_option, target_options


@click.group()
def command() -> None:
    """Explain what objects mean on each node, from the same model that the agents program.

    \b
    podwire explain service shop/web
    """


@command.command()
@target_options
@click.argument("service", metavar="[NAMESPACE/]NAME")
@click.option("-n", "--namespace", default="default", show_default=True, help="The namespace, where NAME has none.")
@click.option("--node", default="", metavar="NODE", help="Explain this node only.")
@click.option("--kernel", is_flag=True, help="Compare with what the kernels of the nodes hold.")
@click.option("--allow-external-ips", is_flag=True, help="The agents of the cluster have this flag; known of a world.")
@output_option
def service(
    service: str, namespace: str, node: str, output: str, kernel: bool, allow_external_ips: bool, **chosen: str
) -> None:
    """Show the addresses of a Service, which endpoints each node uses and why not the others, and what is wrong.

    It reads the world of --name, else the cluster of kubectl's current context; with --kernel the nodes too. The exit
    status is 0 whatever is found, and 1 where there is no such Service or node.

    \b
    podwire explain service shop/web
    podwire explain service web -n shop --node node-2
    podwire explain service shop/web --kernel
    podwire explain service shop/web -o json
    """
    from podwire.insight import target
    from podwire.insight.service import answer
    from podwire.kube.meta import NamespacedName

    given, _, own = service.rpartition("/")
    question = answer.Question(NamespacedName(given or namespace, own), node, kernel, allow_external_ips)
    try:
        text = answer.answer(question, target.choose(choice(**chosen)), json=output == "json")
    except answer.ANSWERLESS as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(1)
    click.echo(text, nl=False)
