"""podwire demo"""

from __future__ import annotations

import sys
import time

import click

from podwire.cli.options import output_option
from podwire.cli.termination import cleanup_on_signal


@click.command()
@click.option("--name", default="demo", show_default=True, help="The name of the demo's world.")
@click.option("--nodes", default=2, show_default=True, type=click.IntRange(2, 20), help="How many nodes.")
@output_option
def command(name: str, nodes: int, output: str) -> None:
    """Bring up a small shop on two nodes, prove each allow and each deny of its policies, take it down.

    Exits with status 1 and names the check if anything differs from the policies.
    """
    from podwire.lab.demo import demo, report

    began = time.monotonic()
    clock = demo.Clock(lambda step: click.echo(f"  {time.monotonic() - began:5.2f} s  {step}", err=True))
    with cleanup_on_signal(lambda: f"nothing of world '{name}' is left"):
        lines = demo.run_demo(name, nodes, clock)
    if output == "json":
        click.echo(report.as_json(lines, clock.steps).decode())
    else:
        click.echo("\n" + report.text(lines, clock.steps))
    sys.exit(report.exit_status(lines))
