"""podwire lint"""

from __future__ import annotations

import sys
from typing import Any

import click

from podwire.cli.one_answer import answering, without_collection
from podwire.cli.options import choice, source_options, sources_of


@click.command()
@click.argument("names", nargs=-1, metavar="[FILES]...")
@source_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Output form; github is annotations of a workflow.",
)
@click.option("--ignore", "ignored", multiple=True, metavar="CHECK", help="Leave out a check; may be repeated.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    help="Exit with 1 where a finding is as serious as this or more.  [default: never]",
)
@answering
@without_collection()
def command(
    names: tuple[str, ...],
    files: tuple[str, ...],
    kustomize: tuple[str, ...],
    output: str,
    ignored: tuple[str, ...],
    fail_on: str | None,
    **given: Any,
) -> None:
    """Find policies and Services that are valid and do not mean what their author meant.

    It reads what 'podwire reach' reads. Each finding has its line, the object and a remedy. The exit status is 0, 1 as
    --fail-on has it, and 2 without an answer: for wrong arguments or files, or without an API server.

    \b
    podwire lint examples/shop
    podwire lint -k overlays/production --fail-on warning -o github
    podwire lint deploy/ --ignore default-deny-missing
    """
    from podwire.insight.lint import text
    from podwire.insight.lint.finding import Severity
    from podwire.insight.lint.lint import NAMES, lint
    from podwire.insight.snapshot.opening import open_snapshot
    from podwire.insight.sources.manifests import ManifestError

    unknown = sorted(set(ignored) - set(NAMES))
    if unknown:
        raise click.UsageError(f"--ignore {unknown[0]}: there is no such check; there are {', '.join(sorted(NAMES))}")
    read = (given.pop(one) for one in ("recursive", "namespace", "pod_ranges"))
    sources = sources_of((*names, *files), kustomize, *read)
    try:
        found = lint(open_snapshot(sources, choice(**given)), ignored)
    except ManifestError as error:
        raise click.UsageError(str(error)) from None
    click.echo({"text": text.text, "json": text.to_json, "github": text.to_github}[output](found), nl=False)
    order = list(Severity)
    if fail_on and any(order.index(one.severity) <= order.index(Severity(fail_on)) for one in found):
        sys.exit(1)
