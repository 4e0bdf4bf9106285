"""Commands of a text file, with the output of each below it."""

from __future__ import annotations

import shlex

from click.testing import CliRunner

from podwire.cli import podwire

PROMPT = "$ podwire "


def output(command: str) -> str:
    """Return what a command prints."""
    result = CliRunner().invoke(podwire, shlex.split(command.removeprefix(PROMPT)))
    assert result.exception is None, result.output
    return result.output


def transcript(text: str) -> str:
    """Return the commands of a text with the output of each."""
    commands = [line for line in text.splitlines() if line.startswith(PROMPT)]
    return "\n".join(f"{one}\n{output(one)}" for one in commands)
