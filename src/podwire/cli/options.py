"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def name_option(command: CommandT) -> CommandT:
    """`--name`: which world; PODWIRE_NAME sets it for a whole shell. What none means, `lab.choice` says."""
    return click.option(
        "--name",
        default=None,
        envvar="PODWIRE_NAME",
        help="The world's name; else the only one that runs, that of kubectl's current context, or 'default'.",
    )(command)


def doomed_name_option(command: CommandT) -> CommandT:
    """`--name` of a world that is to end."""
    return click.option(
        "--name",
        default=None,
        envvar="PODWIRE_NAME",
        help="The world's name; else the only one that runs, or 'default', whatever kubectl's current context is.",
    )(command)


def new_name_option(command: CommandT) -> CommandT:
    """`--name` of a world that is to be made."""
    return click.option(
        "--name", default="default", show_default=True, envvar="PODWIRE_NAME", help="The world's name."
    )(command)


def output_option(command: CommandT) -> CommandT:
    """`-o json`: the same facts for programs."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output form."
    )(command)
