"""Both edges, which all tests of this folder share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.edge.nginx.process import program
from tests.edge.nginx.sides import Sides, edges


class Served(msgspec.Struct, frozen=True):
    """Both edges, and the folder of their files."""

    sides: Sides
    folder: Path


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    if not program():
        pytest.skip("nginx is missing: sh tools/peers.sh nginx")
    folder = tmp_path_factory.mktemp("nginx")
    async with edges(folder) as sides:
        yield Served(sides, folder)
