from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world.harness import Home, World, running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def fresh_home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="module")
def world(home: Home) -> Iterator[World]:
    """A world of two nodes for all tests of a module."""
    yield from running(home, "test", "--nodes", "2")
