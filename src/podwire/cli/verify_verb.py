"""podwire verify"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podwire.cli.options import choice, target_options
from podwire.cli.termination import cleanup_on_signal

if TYPE_CHECKING:
    from podwire.insight.verify.report import Report

SLOW_SECONDS = 1.0


def print_schema(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    """Print the JSON schema and end."""
    if value:
        from podwire.insight.verify.expectations import schema

        click.echo(json.dumps(schema(), indent=2))
        ctx.exit()


@click.command()
@click.argument("file", metavar="FILE")
@click.option("--live", is_flag=True, help="Prove it in a running world or on a cluster, as it is.")
@target_options
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    metavar="FILE",
    help="Manifests, not those that FILE names: files, folders, '-' (helm template ...) or REVISION:PATH of git.",
)
@click.option("-k", "--kustomize", multiple=True, metavar="FOLDER", help="What kubectl kustomize renders, likewise.")
@click.option(
    "--probe-image",
    default="",
    metavar="IMAGE",
    help="Image with python3 or bash: on a cluster, of an ephemeral container for pods whose images have neither.",
)
@click.option("--generate", is_flag=True, help="Write FILE from what the policies allow today; '-' prints it.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "tap"]),
    default="text",
    show_default=True,
    help="Output form.",
)
@click.option("--junit", metavar="FILE", help="Write the report as JUnit's XML too.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_schema,
    help="Print the JSON schema of FILE, for completion in editors, and end.",
)
def command(file: str, *, output: str, junit: str | None, quiet: bool, **given: Any) -> None:
    """Prove with real packets who reaches whom, as FILE expects it.

    FILE is a list of connections that must be possible or must not. They are tried in a world that is started from the
    manifests that FILE names, with stand-ins in place of images, and ended after it; with --live as things are.

    The exit status is 0 when all are proven, 1 when one is not or the file is unable to fail as no connection is
    expected to be denied, and 2 for wrong arguments or files.

    \b
    podwire verify examples/shop/reach.yaml --junit out.xml
    podwire verify reach.yaml --live --name shop
    podwire verify reach.yaml --live --context staging
    podwire verify --generate deploy/reach.yaml
    helm template my-chart | podwire verify reach.yaml -f -
    podwire verify --schema > podwire-expectations.schema.json
    """
    from podwire.insight.verify import answer

    live, generate, image = given.pop("live"), given.pop("generate"), given.pop("probe_image")
    manifests = answer.Manifests(given.pop("files"), given.pop("kustomize"))
    if live and (manifests.is_given or generate):
        raise click.UsageError("--live proves things as they are: leave out -f, -k and --generate")
    began = time.monotonic()

    def progress(step: str) -> None:
        if not quiet:
            click.echo(f"  {time.monotonic() - began:5.2f} s  {step}", err=True)

    try:
        if generate:
            save(file, answer.generated(file, manifests))
            return
        with cleanup_on_signal(lambda: "nothing of its world is left"):
            if live:
                report = answer.live(file, choice(**given), image, progress)
            else:
                report = answer.in_ephemeral_world(file, manifests, progress)
    except answer.BAD_INPUT as error:
        for line in str(error).splitlines():
            click.echo(f"podwire: {line}", err=True)
        sys.exit(2)
    write(report, output, junit)
    sys.exit(0 if report.is_right else 1)


def save(file: str, text: str) -> None:
    """Write a generated file, never over another one."""
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        with Path(file).open("x") as made:
            made.write(text)
    except FileExistsError:
        raise click.UsageError(f"--generate {file}: exists: name another file, or '-' to print it") from None
    except OSError as error:
        raise click.UsageError(f"--generate {file}: {error.strerror}") from None
    click.echo(f"{file}: read it, and prove it with: podwire verify {file}", err=True)


def write(report: Report, output: str, junit: str | None) -> None:
    """Print the report, and write it for a CI system."""
    from podwire.insight.verify import junit as reports
    from podwire.insight.verify.report import as_json
    from podwire.insight.verify.text import text

    forms = {"text": text, "json": as_json, "tap": reports.tap}
    click.echo(forms[output](report), nl=False)
    if junit:
        try:
            Path(junit).write_text(reports.junit(report))
        except OSError as error:
            raise click.UsageError(f"--junit {junit}: {error.strerror}") from None
