"""The recipes of examples/recipes: their answers, and nothing for lint to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.insight.lint.lint import lint
from podwire.insight.reach.report import report
from podwire.insight.reach.text import text
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.sources.reading import read

FOLDER = Path("examples/recipes")
RECIPES = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "pods")


def snapshot(recipe: str) -> Snapshot:
    return snapshot_of(read([str(FOLDER / "pods.yaml"), str(FOLDER / f"{recipe}.yaml")]))


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_answer_is_the_one_beside_it(recipe: str) -> None:
    assert text(report(snapshot(recipe))) == (FOLDER / f"{recipe}.txt").read_text()


@pytest.mark.parametrize("recipe", RECIPES)
def test_lint_finds_nothing_but_pods_that_the_recipe_is_not_about(recipe: str) -> None:
    assert lint(snapshot(recipe), ["default-deny-missing"]) == []


def test_the_page_has_all_recipes() -> None:
    page = (FOLDER / "README.md").read_text()
    assert sorted(line.split("`")[1] for line in page.splitlines() if line.startswith("| `")) == [
        f"{recipe}.yaml" for recipe in RECIPES
    ]
