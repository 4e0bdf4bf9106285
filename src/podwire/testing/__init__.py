"""Tests against a real cluster network: worlds as fixtures of pytest, and the same without pytest.

Installed as `podwire[testing]`. The fixtures are in `podwire.testing.plugin`; these are their types, and what other
fixtures need.
"""

from __future__ import annotations

from podwire.testing.home import CommandError, Home, Result
from podwire.testing.kubectl import Kubectl
from podwire.testing.lifeline import WorldStartError, running_world
from podwire.testing.namespaces import Namespace
from podwire.testing.outside import Outside
from podwire.testing.verdict import Verdict
from podwire.testing.waiting import eventually
from podwire.testing.world import World

__all__ = [
    "CommandError",
    "Home",
    "Kubectl",
    "Namespace",
    "Outside",
    "Result",
    "Verdict",
    "World",
    "WorldStartError",
    "eventually",
    "running_world",
]
