"""Objects in a YAML file, questions and their answers in a text file beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.insight.transcripts import transcript

FOLDER = Path(__file__).parent / "scenarios"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda one: one.stem)
def test_the_answers_are_these(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    assert transcript(path.read_text()) == path.read_text()
