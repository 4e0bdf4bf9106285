from __future__ import annotations

import pytest

from podwire.testing import World


@pytest.fixture(scope="module")
def world(quarter: World) -> World:
    """The shared world; what names no namespace means one of the module's own."""
    return quarter
