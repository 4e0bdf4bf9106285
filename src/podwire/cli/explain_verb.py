"""podwire explain"""

from __future__ import annotations

import sys
from typing import Any

import click

from podwire.cli.options import choice, output_option, target_options
from podwire.cli.request_options import question_of, request_options


class Explanations(click.Group):
    """Subcommands; two words of which the second is a URL are a request: `FROM URL`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `CLIENT URL ...` as `url URL --from CLIENT ...`."""
        if len(args) > 1 and args[0] not in self.commands and "://" in args[1]:
            args = ["url", args[1], "--from", args[0], *args[2:]]
        return super().resolve_command(ctx, args)


@click.group(cls=Explanations)
def command() -> None:
    """Explain what objects mean, from the same model that agents and proxies are programmed with.

    \b
    podwire explain service shop/web
    podwire explain url https://app.example.com/login
    podwire explain shop/frontend https://app.example.com/
    podwire explain shop/frontend http://backend:8080/
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


@command.command()
@target_options
@click.argument("url")
@request_options
@click.option(
    "-f",
    "files",
    multiple=True,
    metavar="FILE",
    help="Read the objects from files and folders, not from an API server; '-' is standard input.",
)
@output_option
def url(url: str, files: tuple[str, ...], output: str, **given: Any) -> None:
    """Show what becomes of a request: Gateway, listener, each route and why it is not taken, backends, policies.

    It reads the world of --name, else the cluster of kubectl's current context; with -f no API server at all. The exit
    status is 0 whatever is found, 1 where the client or the API server is not there, and 2 for wrong arguments or
    files.

    \b
    podwire explain url https://app.example.com/login --from outside
    podwire explain url http://app.example.com/ --from shop/frontend -H 'X-Version: v2'
    podwire explain url https://app.example.com/ -f examples/gateway -o json
    """
    from podwire.insight import target
    from podwire.insight.sources.manifests import ManifestError
    from podwire.insight.url import answer

    wanted = question_of(url, given)
    try:
        objects = answer.of_files(files) if files else answer.of_target(target.choose(choice(**given)))
        text = answer.answer(wanted, objects, json=output == "json")
    except ManifestError as error:
        raise click.UsageError(str(error)) from None
    except answer.ANSWERLESS as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(1)
    click.echo(text, nl=False)
