"""Write deploy/monitoring/dashboard.json: `python -m tools.monitoring`."""

from __future__ import annotations

import json
from pathlib import Path

from tools.monitoring.dashboard import dashboard
from tools.monitoring.panels import SECTIONS

TARGET = Path(__file__).resolve().parents[2] / "deploy" / "monitoring" / "dashboard.json"


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(SECTIONS), indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text())
