"""Options that describe a request, for `explain url` and `trace url`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from podwire.cli.options import CommandT

if TYPE_CHECKING:
    from podwire.insight.url.question import Question


def request_options(command: CommandT) -> CommandT:
    """`--from`, `--method`, `--header` and `--gateway`; `question_of` reads them."""
    for option in (
        click.option(
            "--gateway", default="", metavar="NAMESPACE/NAME", help="The Gateway, where several are for the host."
        ),
        click.option(
            "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; may be repeated."
        ),
        click.option("--method", default="GET", show_default=True, help="Its method."),
        click.option(
            "--from",
            "client",
            default="outside",
            show_default=True,
            metavar="CLIENT",
            help="Who sends it: outside, NAMESPACE/POD, NAMESPACE/WORKLOAD or an IP address.",
        ),
    ):
        command = option(command)
    return command


def question_of(url: str, given: dict[str, Any]) -> Question:
    """Take these options from the arguments of a command; return the request. Raises click.UsageError."""
    import msgspec

    from podwire.insight.url.question import QuestionError, question

    gateway = given.pop("gateway")
    try:
        desired = question(url, given.pop("client"), given.pop("method"), given.pop("headers"))
    except QuestionError as error:
        raise click.UsageError(str(error)) from None
    return msgspec.structs.replace(desired, gateway=gateway)
