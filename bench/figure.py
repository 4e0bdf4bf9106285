"""One measured value, how it is printed, and the page of all of them in the docs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/reference/figures.md"
RECORD = PAGE.with_suffix(".json")
BEGIN, END = "<!-- measured: made by `python -m bench --page` -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Figure:
    """One measured value beside its goal; `peer` is a published value of another tool, where there is one."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    peer: str = ""
    at_least: bool = False
    """Whether the goal is a floor rather than a ceiling."""

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.goal is None:
            return ""
        return "met" if (self.value >= self.goal if self.at_least else self.value <= self.goal) else "MISSED"

    def line(self) -> str:
        """The figure as the bench prints it."""
        goal = "" if self.goal is None else f"{self.goal:g}"
        return f"{self.name:58} {self.value:8.2f} {self.unit:4}{goal:>8}  {self.verdict}  {self.peer}".rstrip()

    def row(self) -> str:
        """The figure as a row of the page."""
        sign = "≥" if self.at_least else "≤"
        goal = "" if self.goal is None else f"{sign} {self.goal:,g} {self.unit}"
        value = f"{self.value:,.0f}" if self.value >= 1000 else f"{self.value:.3g}"
        return f"| {self.name} | {value} {self.unit} | {goal} | {self.verdict} | {self.peer} |"


def machine() -> str:
    """What the figures are measured on, and when."""
    count = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {count} processors ({_model()}), Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average of the last quarter of an hour {os.getloadavg()[2]:.1f}"
    )


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def save(figures: Iterable[Figure], path: Path) -> None:
    """Write figures to a file; those that stand there under other names stay."""
    known = {row["name"]: row for row in json.loads(path.read_text())["figures"]} if path.exists() else {}
    known.update({figure.name: asdict(figure) for figure in figures})
    path.write_text(json.dumps({"machine": machine(), "figures": list(known.values())}, indent=2) + "\n")


def write_page(record: Path = RECORD, page: Path = PAGE) -> None:
    """Put the recorded figures into the page."""
    saved = json.loads(record.read_text())
    rows = [Figure(**row).row() for row in saved["figures"]]
    table = ["| figure | measured | goal | | published elsewhere |", "|---|---|---|---|---|", *rows]
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    body = f"{BEGIN}\nMeasured on {saved['machine']}.\n\n" + "\n".join(table) + f"\n\n{END}"
    page.write_text(before + body + after, encoding="utf-8")
