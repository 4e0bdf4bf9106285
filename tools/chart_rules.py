"""Write the rules of the chart's roles from podwire's own table: `python -m tools.chart_rules [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from podwire.component import permissions
from podwire.install.manifests.rights import PROGRAMS
from podwire.install.manifests.text import dump

FOLDER = Path(__file__).parents[1] / "deploy" / "chart" / "rules"


def files() -> dict[str, str]:
    """The files by name."""
    found = {}
    for component, _, role in PROGRAMS:
        for body in permissions.objects({role: permissions.group("none")}):
            if "rules" in body:
                parts = (component, body["metadata"].get("namespace", ""), "yaml")
                found[".".join(filter(None, parts))] = dump(body["rules"])
    return found


def main() -> int:
    """Write them, or with --check return whether they are up to date."""
    if "--check" in sys.argv:
        present = {path.name: path.read_text() for path in FOLDER.iterdir()}
        return 0 if present == files() else 1
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
