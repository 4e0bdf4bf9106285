"""Objects in a YAML file, questions and their answers in a text file beside it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from podwire.cli import podwire

FOLDER = Path(__file__).parent / "scenarios"
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


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda one: one.stem)
def test_the_answers_are_these(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    assert transcript(path.read_text()) == path.read_text()
