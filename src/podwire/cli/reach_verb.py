"""podwire reach"""

from __future__ import annotations

from typing import Any

import click

from podwire.cli.one_answer import answering, without_collection
from podwire.cli.options import choice, source_options, sources_of

FORMS = ("text", "json", "csv", "dot", "html")


@click.command()
@click.argument("names", nargs=-1, metavar="[FILES]...")
@source_options
@click.option(
    "-o", "--output", type=click.Choice(FORMS), default="text", show_default=True, help="Output form; html is one page."
)
@answering
@without_collection()
def command(
    names: tuple[str, ...], files: tuple[str, ...], kustomize: tuple[str, ...], output: str, **given: Any
) -> None:
    """Show who can reach whom, on which ports: workloads, and addresses outside.

    It reads files and folders, with -k kustomizations; without any of them the world of --name, else the cluster of
    kubectl's current context. It is derived from the same model that agents program kernels with. The exit status is 0,
    and 2 without an answer: for wrong arguments or files, or without an API server.

    \b
    podwire reach examples/shop
    helm template my-chart | podwire reach -
    podwire reach --name default -o json
    podwire reach examples/shop -o html > reach.html
    """
    from podwire.insight.reach import report, text
    from podwire.insight.snapshot.opening import open_snapshot
    from podwire.insight.sources.manifests import ManifestError

    sources = sources_of(
        (*names, *files), kustomize, given.pop("recursive"), given.pop("namespace"), given.pop("pod_ranges")
    )
    try:
        found = report.report(open_snapshot(sources, choice(**given), with_requests=True))
        if output == "csv":
            for line in text.to_csv(found):
                click.echo(line, nl=False)
        else:
            click.echo(_written(found, output), nl=False)
    except (ManifestError, text.TooManyEdgesError) as error:
        raise click.UsageError(str(error)) from None


def _written(found: Any, output: str) -> str:
    from podwire.insight.reach import text
    from podwire.insight.reach.page.page import page

    return {"text": text.text, "json": text.to_json, "dot": text.to_dot, "html": page}[output](found)
