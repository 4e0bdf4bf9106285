"""What pods may request, and why it is harmless."""

from __future__ import annotations

import time

import pytest

from podwire.lab.container import capabilities
from tests.sandbox import in_world


def test_the_clock_is_granted_to_node_exporters() -> None:
    assert capabilities.choose(("SYS_TIME",), ("ALL",)) == {"SYS_TIME"}
    with pytest.raises(capabilities.CapabilityError, match="SYS_ADMIN"):
        capabilities.choose(("SYS_ADMIN",), ("ALL",))


@in_world
def test_no_capability_of_a_world_sets_the_clock() -> None:
    with pytest.raises(PermissionError):
        time.clock_settime(time.CLOCK_REALTIME, time.time())
