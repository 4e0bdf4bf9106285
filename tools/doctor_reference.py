"""Write docs/reference/doctor.md from the table of its findings: `python -m tools.doctor_reference [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from podwire.insight.doctor.report import Rule
from podwire.insight.doctor.rules import CHECKS, RULES
from tools.generated_page import write_or_check

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "doctor.md"
INTRODUCTION = """# `podwire doctor`

    podwire doctor                               # the cluster of kubectl's current context
    podwire doctor --node node-2 -o json
    podwire doctor --name demo                   # a world on this machine
    sudo podwire doctor --node-local             # this machine, also before podwire is installed

It reads the cluster's objects, and gathers facts on each node with one command in the pod of its agent (a node of a
world: in its namespaces). All checks are then made over these facts. It changes nothing; kernel features are tried in
a namespace that is thrown away, and each node sends pings to the next three.

Exit status: 0 without errors (there may be warnings), 1 with an error or where the cluster cannot be read. It needs
an account that may list nodes, pods, services, servicecidrs and daemonsets, and create `pods/exec` in kube-system;
Gateways are checked where it may list them and get their Secrets;
`--node-local` needs root.

In JSON each check has its `level` (ok, warning, error) and its `findings`: `level`, `object`, `finding`, `remedy`.

Made from the table of findings by `python -m tools.doctor_reference`; a test keeps it true. Words in braces are
filled in.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for check, what in CHECKS.items():
        rows = "".join(map(_row, (rule for rule in RULES if rule.check == check)))
        parts.append(f"## {check}\n\nLooks at {what}.\n\n| level | finding | remedy |\n|---|---|---|\n{rows}")
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    return f"| {rule.level} | {_cell(rule.finding)} | {_cell(rule.remedy)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(write_or_check(TARGET, page))
