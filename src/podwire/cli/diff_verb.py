"""podwire diff"""

from __future__ import annotations

import sys
from typing import Any

import click

from podwire.cli.one_answer import answering, without_collection
from podwire.cli.options import choice, source_options, sources_of

FORMS = ("text", "markdown", "json")


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@source_options
@click.option(
    "--fail-on",
    type=click.Choice(["opened", "closed", "any", "none"]),
    default="none",
    show_default=True,
    help="Exit with 1 where the change opens or closes something.",
)
@click.option(
    "--prune", is_flag=True, help="With `live`: objects that the files lack are removed from the files' namespaces."
)
@click.option("-o", "--output", type=click.Choice(FORMS), default="text", show_default=True, help="Output form.")
@answering
@without_collection()
def command(
    old: str,
    new: str,
    files: tuple[str, ...],
    kustomize: tuple[str, ...],
    prune: bool,
    fail_on: str,
    output: str,
    **given: Any,
) -> None:
    """Show which connections a change opens and closes: of policies, Services, Ingresses and routes.

    OLD and NEW are files, folders, folders with a kustomization.yaml, REVISION:PATH of git, '-' (helm template ...) or
    `live`, which is the world of --name or the cluster of kubectl's current context: the other state is taken as
    applied to it, so that each object takes the place of the live one of its kind, namespace and name. A path that one
    of both revisions does not have is an empty state. The objects of -f and -k are part of both, but those that the
    state has too. The exit status is 0, with --fail-on 1 where the change has such an effect, and 2 without an answer:
    for wrong arguments or files, or without an API server.

    \b
    podwire diff HEAD~1:deploy/ deploy/
    podwire diff main:deploy/ deploy/ --fail-on opened -o markdown
    helm template chart | podwire diff live - -o json
    """
    import msgspec

    from podwire.insight.diff import answer
    from podwire.insight.diff.connections import TooManyPairsError
    from podwire.insight.sources import kustomization
    from podwire.insight.sources.manifests import ManifestError

    more = (given.pop("recursive"), given.pop("namespace"), given.pop("pod_ranges"))

    under = sources_of(files, kustomize, *more) if files or kustomize else None

    def state(name: str) -> answer.State:
        names, folders = ((), (name,)) if kustomization.is_one(name) else ((name,), ())
        return answer.State(name, msgspec.structs.replace(sources_of(names, folders, *more), under=under))

    try:
        found = answer.report(state(old), state(new), lambda: choice(**given), prune=prune)
    except (ManifestError, TooManyPairsError) as error:
        raise click.UsageError(str(error)) from None
    click.echo(answer.written(found, output), nl=False)
    if answer.fails(found, fail_on):
        sys.exit(1)
