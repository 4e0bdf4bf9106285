"""podwire mesh audit"""

from __future__ import annotations

import sys

import click

from podwire.cli.one_answer import answering
from podwire.cli.options import choice, target_options


@click.command("audit")
@target_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where there is a finding.")
@answering
def audit(output: str, name: str | None, context: str, kubeconfig: str, *, exit_code: bool) -> None:
    """List what is reachable without encryption, without identity or without a rule, and policies without effect.

    A pod that is not enrolled lacks all three. An enrolled one lacks identity where a client without mutual TLS may
    connect, as neither AuthorizationPolicies nor TransportPolicies close the port. Which rules no traffic ever matched
    is not known: no counts of rules are kept.
    """
    from podwire.insight import target
    from podwire.insight.mesh_audit import reading, text

    report = target.choose(choice(name, context, kubeconfig)).read(reading.read)
    click.echo(text.json(report) if output == "json" else text.text(report), nl=False)
    if exit_code and report.findings:
        sys.exit(1)
