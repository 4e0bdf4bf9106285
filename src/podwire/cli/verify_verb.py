"""podwire verify"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from podwire.cli.options import choice, refuse_given, target_options
from podwire.cli.termination import cleanup_on_signal

if TYPE_CHECKING:
    from podwire.insight.verify.report import Report
    from podwire.insight.verify.trial import Manifests


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
@click.option("--watch", is_flag=True, help="Prove it again whenever FILE or its manifests change, until Ctrl-C.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "tap", "github"]),
    default="text",
    show_default=True,
    help="Output form; github is the text, and annotations of a workflow.",
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
    expected to be denied, and 2 where nothing was tried: for wrong arguments or files, or without a world.

    \b
    podwire verify examples/shop/reach.yaml --junit out.xml
    podwire verify reach.yaml --live --name shop
    podwire verify reach.yaml --live --context staging
    podwire verify --generate deploy/reach.yaml
    podwire verify deploy/reach.yaml --watch
    helm template my-chart | podwire verify reach.yaml -f -
    podwire verify --schema > podwire-expectations.schema.json
    """
    from podwire.insight.verify import answer

    manifests = checked_manifests(given)
    began = time.monotonic()

    def progress(step: str) -> None:
        if not quiet:
            click.echo(f"  {time.monotonic() - began:5.2f} s  {step}", err=True)

    try:
        if given["generate"]:
            check_new(file)
            save(file, answer.generated(file, manifests))
            return
        with cleanup_on_signal(lambda: "nothing of its world is left"):
            if given["watch"]:
                answer.watch(file, manifests, progress, lambda report: write(report, output, junit), show_fault)
            if given["live"]:
                chosen = choice(given["name"], given["context"], given["kubeconfig"])
                report = answer.live(file, chosen, given["probe_image"], progress)
            else:
                report = answer.in_ephemeral_world(file, manifests, progress)
    except Exception as error:
        if not is_untried(error):
            raise
        show_fault(str(error))
        sys.exit(2)
    write(report, output, junit)
    sys.exit(0 if report.is_right else 1)


def is_untried(error: Exception) -> bool:
    """Whether nothing was proven after this error: of files, and of a world or cluster that cannot be used."""
    from podwire.insight.user_errors import is_user_error
    from podwire.insight.verify.answer import BAD_INPUT

    return isinstance(error, BAD_INPUT) or is_user_error(error)


def checked_manifests(given: Mapping[str, Any]) -> Manifests:
    """Return what -f and -k name. Raises click.UsageError where flags exclude each other."""
    from podwire.insight.verify.trial import Manifests

    found = Manifests(given["files"], given["kustomize"])
    if not given["live"]:
        remedy = "add --live: without it FILE is proven in a world of its own"
        refuse_given(("name", "context", "kubeconfig", "probe_image"), remedy)
    if given["generate"]:
        refuse_given(("output", "junit", "quiet"), "leave it out: --generate proves nothing")
    if given["live"] and (found.is_given or given["generate"] or given["watch"]):
        raise click.UsageError("--live proves things as they are: leave out -f, -k, --generate and --watch")
    if given["watch"] and (given["generate"] or "-" in found.files):
        raise click.UsageError("--watch reads files again: leave out --generate and '-'")
    return found


def show_fault(text: str) -> None:
    """Print what is wrong with the files."""
    for line in text.splitlines():
        click.echo(f"podwire: {line}", err=True)


def check_new(file: str) -> None:
    """Raise click.UsageError where a generated file cannot have this name: it is never written over another one."""
    path = Path(file)
    if path.is_dir():
        shown = path / "reach.yaml"
        raise click.UsageError(f"--generate {file}: is a folder: name the file to write in it, such as {shown}")
    if file != "-" and path.exists():
        raise click.UsageError(f"--generate {file}: exists: name another file, or '-' to print it")
    if not path.parent.is_dir():
        raise click.UsageError(f"--generate {file}: there is no folder {path.parent}: make it, or name another file")


def save(file: str, text: str) -> None:
    """Write a generated file."""
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        with Path(file).open("x") as made:
            made.write(text)
    except OSError as error:
        raise click.UsageError(f"--generate {file}: {error.strerror}") from None
    click.echo(f"{file}: read it, and prove it with: podwire verify {shlex.quote(file)}", err=True)


def write(report: Report, output: str, junit: str | None) -> None:
    """Print the report, and write it for a CI system."""
    from podwire.insight.verify import junit as reports
    from podwire.insight.verify.report import as_json
    from podwire.insight.verify.text import github, text

    forms = {"text": text, "json": as_json, "tap": reports.tap, "github": github}
    click.echo(forms[output](report), nl=False)
    if junit:
        try:
            Path(junit).write_text(reports.junit(report))
        except OSError as error:
            raise click.UsageError(f"--junit {junit}: {error.strerror}") from None
