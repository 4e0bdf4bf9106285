"""A bare cluster for the tests of this folder. They need root, Go and cgroup hierarchies: else they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.conformance.programs import MissingGoError, go

from tools.cluster import cgroups, record, start, stop

NAME = "pytest"


def obstacle() -> str:
    """Why no cluster can run here, or nothing."""
    try:
        go()
        start.check_machine()
    except (MissingGoError, start.UnsuitableMachineError, cgroups.NoHierarchiesError) as error:
        return str(error)
    return ""


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for the clusters of a test. Skips the test where none can run."""
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


@pytest.fixture
def bare(state: Path) -> Iterator[record.Record]:
    """A cluster of one node without a network; it ends with the test."""
    assert state.is_dir()
    layout = start.start(start.Options(NAME, 1), lambda _: None)
    try:
        yield record.named(NAME)
    finally:
        stop.stop(layout)
