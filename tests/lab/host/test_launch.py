"""What ends pid 1 is in its log: nobody else could say it, as the world is gone then."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from podwire.lab.host import launch
from podwire.lab.supervisor.init import WorldSpec


class FailingInit:
    def __init__(self, spec: WorldSpec) -> None:
        self.name = spec.name

    def run(self) -> None:
        raise RuntimeError(f"the end of {self.name}")


def test_an_error_that_ends_pid_1_is_in_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = SimpleNamespace(
        unshare=lambda _: None,
        sethostname=lambda _: None,
        set_process_name=lambda _: None,
        CLONE_NEWNS=0,
        CLONE_NEWUTS=0,
        CLONE_NEWIPC=0,
    )
    monkeypatch.setattr(launch, "namespaces", quiet)
    monkeypatch.setattr(launch, "prepare_mounts", lambda _: None)
    monkeypatch.setattr(launch, "Init", FailingInit)
    reader, writer = os.pipe()
    lifeline, _ = os.pipe()
    child = os.fork()
    if child == 0:
        launch._first(WorldSpec("w", (), {}, tmp_path, lifeline), writer)
    os.close(writer)
    assert os.read(reader, 64) == b"ready"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert "RuntimeError: the end of w" in (tmp_path / "init.log").read_text()
