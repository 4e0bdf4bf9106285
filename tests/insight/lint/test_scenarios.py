"""One file of objects for each check, right ones among them, and what the check finds beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.insight.lint.lint import NAMES, lint
from podwire.insight.lint.text import text
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.sources.reading import read

FOLDER = Path(__file__).parent / "scenarios"


def test_each_check_has_a_scenario() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_check_finds_this_and_nothing_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    found = [one for one in lint(snapshot_of(read([f"{name}.yaml"]))) if one.check == name]
    assert text(found) == (FOLDER / f"{name}.txt").read_text()
