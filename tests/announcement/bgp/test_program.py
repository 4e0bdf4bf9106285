"""A machine without bird: what is refused, and with which remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.announcement.bgp import program
from podwire.lab.host import start
from podwire.lab.host.launch import LaunchError


def test_a_machine_without_bird_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PROGRAM_PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="apt-get install bird2"):
        program.find()
    (tmp_path / "bird").touch(0o755)
    assert program.find() == str(tmp_path / "bird")


def test_a_world_with_bgp_does_not_start_without_bird(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "PROGRAM_PATH", str(tmp_path))
    options = start.UpOptions("none", nodes=1, overlay="direct", api_port=0, timeout=1, bgp=True)
    with pytest.raises(LaunchError, match="--bgp: the program bird is not installed"):
        start.start(options, print)
