"""How many examples a property is tried with: a quarter of them in `make test`, all in `make test-long`."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("PODWIRE_THOROUGH"))


def examples(number: int) -> int:
    """All of them, or a quarter."""
    return number if THOROUGH else max(number // 4, 1)
