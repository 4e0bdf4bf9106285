"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def name_option(command: CommandT) -> CommandT:
    """`--name`: which world; PODWIRE_NAME sets it for a shell. `lab.host.select_world` has the default."""
    return click.option(
        "--name",
        default=None,
        envvar="PODWIRE_NAME",
        help="The world's name; else the only one that runs, that of kubectl's current context, or 'default'.",
    )(command)


def down_name_option(command: CommandT) -> CommandT:
    """`--name` of a world to take down."""
    return click.option(
        "--name",
        default=None,
        envvar="PODWIRE_NAME",
        help="The world's name; else the only one that runs, or 'default', whatever kubectl's current context is.",
    )(command)


def new_name_option(command: CommandT) -> CommandT:
    """`--name` of a new world."""
    return click.option(
        "--name", default="default", show_default=True, envvar="PODWIRE_NAME", help="The world's name."
    )(command)


def output_option(command: CommandT) -> CommandT:
    """`-o json`: the same output for programs."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output form."
    )(command)
