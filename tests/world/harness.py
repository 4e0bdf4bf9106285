"""Names that tests of whole worlds share; most are podwire's own plugin for test suites."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from podwire.testing import Home, Result, World, eventually
from podwire.testing.lifeline import start

__all__ = ["KUBECTL", "PODWIRE", "Home", "Result", "World", "eventually", "running"]

BIN = Path(sys.executable).parent
PODWIRE = str(BIN / "podwire")
KUBECTL = str(BIN / "kubectl")


def running(home: Home, name: str, *arguments: str) -> Iterator[World]:
    """Start a world in a home that others share, hand it out, end it."""
    life = start(home, name, *arguments)
    try:
        yield life.world
    finally:
        life.end()
