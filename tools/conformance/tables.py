"""What is said of tests beforehand: conformance/tests.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLES = Path(__file__).resolve().parents[2] / "conformance" / "tests.toml"


@dataclass(frozen=True, slots=True)
class Rule:
    """Tests whose name matches, and why they are listed."""

    match: re.Pattern[str]
    reason: str
    run: bool = True


@dataclass(frozen=True, slots=True)
class Tables:
    """Rules by kind; of each kind the first that matches a test counts."""

    not_applicable: tuple[Rule, ...] = ()
    expected_failure: tuple[Rule, ...] = ()

    def inapplicable(self, name: str) -> Rule | None:
        """Why the test cannot apply, or None."""
        return _first(self.not_applicable, name)

    def expected(self, name: str) -> Rule | None:
        """Why the test is expected to fail, or None."""
        return _first(self.expected_failure, name)

    def runs(self, name: str) -> bool:
        """Whether the test is run at all."""
        expected = self.expected(name)
        return self.inapplicable(name) is None and (expected is None or expected.run)


def load(path: Path = TABLES) -> Tables:
    """Read the tables. Raises ValueError with the entry that is wrong."""
    document = tomllib.loads(path.read_text())
    unknown = document.keys() - {"not_applicable", "expected_failure"}
    if unknown:
        raise ValueError(f"{path}: unknown table {min(unknown)}: not_applicable and expected_failure are known")
    return Tables(
        not_applicable=tuple(_rule(path, entry) for entry in document.get("not_applicable", ())),
        expected_failure=tuple(_rule(path, entry) for entry in document.get("expected_failure", ())),
    )


def _rule(path: Path, entry: dict[str, Any]) -> Rule:
    try:
        return Rule(re.compile(entry["match"]), entry["reason"], entry.get("run", True))
    except (KeyError, re.error) as error:
        raise ValueError(
            f"{path}: entry {entry}: {error!r}; each has a regular expression `match` and a `reason`"
        ) from error


def _first(rules: tuple[Rule, ...], name: str) -> Rule | None:
    return next((rule for rule in rules if rule.match.search(name)), None)
