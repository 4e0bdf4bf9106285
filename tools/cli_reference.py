"""Write docs/reference/cli.md from the command line's own help: `python -m tools.cli_reference [--check]`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from podwire.cli import VERBS, podwire
from tools.generated_page import write_or_check

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"


def help_text(command: click.Command, name: str) -> str:
    """The help of one command as a terminal of 100 columns shows it."""
    context = click.Context(
        command, info_name=name, max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
    )
    return command.get_help(context)


def sections(command: click.Command, name: str, level: int = 2) -> Iterator[str]:
    """Yield the section of a command, then those of the commands of its group."""
    yield f"{'#' * level} {name}\n\n```\n{help_text(command, name)}\n```"
    if isinstance(command, click.Group):
        for part, found in command.commands.items():
            yield from sections(found, f"{name} {part}", level + 1)


def page() -> str:
    """The whole page."""
    parts = [
        "# The command line",
        "Made from the programs' own help by `python -m tools.cli_reference`; a test keeps it true.",
        'Completion: `eval "$(_PODWIRE_COMPLETE=bash_source podwire)"` in ~/.bashrc (`zsh_source`, `fish_source`).',
        f"```\n{help_text(podwire, 'podwire')}\n```",
    ]
    for verb in VERBS:
        command = importlib.import_module(f"podwire.cli.{verb.replace('-', '_')}_verb").command
        parts += sections(command, f"podwire {verb}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(TARGET, page))
