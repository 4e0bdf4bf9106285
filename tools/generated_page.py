"""The command of a tool that makes a page of the documentation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def write_or_check(target: Path, page: Callable[[], str]) -> int:
    """Write the page, or with --check return 1 where it is out of date."""
    if "--check" in sys.argv:
        return 0 if target.read_text() == page() else 1
    target.write_text(page())
    return 0
