"""Why a connection is possible or not, as `podwire explain FROM TO` answers it."""

from __future__ import annotations

from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.verify.expectations import Expectation


def explanation(one: Expectation, snapshot: Snapshot) -> str:  # noqa: ARG001
    """Return the answer as text."""
    return ""
