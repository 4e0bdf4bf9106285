"""Two folders of objects, and what a change from one to the other opens and closes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.insight.transcripts import transcript

FOLDER = Path(__file__).parent / "scenarios"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda one: one.stem)
def test_the_answers_are_these(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    assert transcript(path.read_text()) == path.read_text()
