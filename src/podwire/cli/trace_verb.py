"""podwire trace"""

from __future__ import annotations

import sys
from typing import Any

import click

from podwire.cli.options import choice, output_option, target_options
from podwire.cli.request_options import question_of, request_options


@click.group()
def command() -> None:
    """Send a request and show what each hop did with it.

    \b
    podwire trace url https://app.example.com/login
    """


@command.command()
@target_options
@click.argument("url")
@request_options
@click.option(
    "--http",
    "version",
    type=click.Choice(["any", "1.1", "2"]),
    default="any",
    show_default=True,
    help="The version of HTTP; any: what the server chooses, and 1.1 without TLS.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for each step.",
)
@output_option
def url(url: str, version: str, timeout: float, output: str, **given: Any) -> None:
    """Send a request, and show each hop: name, connection, certificate, Gateway, route, backend, endpoint.

    It is sent in a world by --from, and on a cluster by this machine. A name that no name server knows leads to the
    address of the Gateway that is for it. Every certificate is accepted, and what a client that verifies would report
    is shown. The last line compares with 'podwire explain url'. The exit status is 0 where there is an answer, of
    whatever status, 1 where there is none, and 2 for wrong arguments.

    \b
    podwire trace url https://app.example.com/login
    podwire trace url http://app.example.com/ --from shop/frontend -H 'X-Version: v2' --http 2
    """
    from podwire.insight import target
    from podwire.insight.trace import answer as traced
    from podwire.insight.url import answer

    desired = question_of(url, given)
    protocols = traced.Protocols(http1=version != "2", http2=version != "1.1")
    try:
        found = target.choose(choice(**given))
        report = traced.trace(desired, found, answer.of_target(found), protocols, timeout)
    except answer.ANSWERLESS as error:
        click.echo(f"podwire: {error}", err=True)
        sys.exit(1)
    click.echo(traced.shown(report, json=output == "json"), nl=False)
    sys.exit(0 if report.status else 1)
