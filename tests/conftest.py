from __future__ import annotations

from pathlib import Path

import pytest

from tests.world.harness import Home

pytest_plugins = ["pytester"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def fresh_home(tmp_path: Path) -> Home:
    return Home(tmp_path)
