"""podwire suggest"""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from podwire.cli.one_answer import answering
from podwire.cli.options import choice, target_options


@click.command()
@target_options
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    help="Policies for the workloads of this namespace; may be repeated.  [default: all whose admitted connections"
    " are recorded]",
)
@click.option("--since", default="", metavar="TIME", help="From records since a time ago, such as 2h, or RFC 3339.")
@click.option("--include-dropped", is_flag=True, help="Allow too what policies have dropped; comments mark it.")
@click.option(
    "--expectations",
    type=click.File("wb", lazy=True),
    metavar="FILE",
    help="Write what 'podwire verify' proves the policies with: what was seen is possible, other ways are closed.",
)
@answering
def command(
    namespaces: tuple[str, ...], since: str, include_dropped: bool, expectations: BinaryIO | None, **target: str
) -> None:
    """Suggest NetworkPolicies that allow the connections which were seen, and close the rest.

    One policy a workload, with the fewest labels that select it; comments count the connections of each rule, and mark
    what was seen only once. Admitted connections are recorded once the namespace has the annotation
    podwire.dev/flow-records=all: let it run through all that the workloads do. The exit status is 0, 1 where the
    records of a node are missing, and 2 for wrong arguments or without an API server.

    \b
    kubectl annotate namespace shop podwire.dev/flow-records=all
    podwire suggest -n shop --expectations reach.yaml > policies.yaml
    kubectl apply -f policies.yaml; podwire verify reach.yaml --live
    """
    from podwire.cli.flows_verb import since_option
    from podwire.insight.suggest.suggestion import SuggestRequest, suggest
    from podwire.insight.target import choose

    request = SuggestRequest(namespaces, since_option(since), include_dropped)
    found = suggest(choose(choice(**target)), request)
    if expectations is not None:
        expectations.write(found.expectations.encode())
    click.echo(found.policies, nl=False)
    for problem in found.problems:
        click.echo(f"podwire: {problem}", err=True)
    sys.exit(bool(found.problems))
