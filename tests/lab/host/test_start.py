"""A start that fails leaves nothing, wherever it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from podwire.lab.base.proc_stat import start_time
from podwire.lab.host import start, worlds
from podwire.lab.host.worlds import World
from podwire.lab.network.topology import Topology


class Interrupted(BaseException):
    """As a signal raises it."""


def begin(process: subprocess.Popen[bytes], name: str, *, interrupted: bool) -> None:
    """What `start` does, with any process as the first one, until kubectl knows the world."""
    with start._claimed(name) as (_, undo):
        world = World(
            name=name,
            pid=process.pid,
            started=start_time(process.pid) or 0,
            nodes=1,
            overlay="direct",
            api_port=1,
            version="0",
        )
        worlds.remember(world)
        start._finish(world, Topology(nodes=1, overlay="direct"), lambda: None, undo)
        if interrupted:
            raise Interrupted


def test_a_world_that_was_begun_ends_with_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWIRE_STATE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "worlds").mkdir()
    with subprocess.Popen(["sleep", "600"]) as first, subprocess.Popen(["sleep", "600"]) as other:
        begin(other, "other", interrupted=False)
        with pytest.raises(Interrupted):
            begin(first, "a", interrupted=True)
        assert first.wait(20) == -9
        assert [world.name for world in worlds.living()] == ["other"]
        assert not worlds.folder("a").exists()
        contexts = yaml.safe_load((tmp_path / "kubeconfig").read_text())["contexts"]
        assert [context["name"] for context in contexts] == ["podwire-other"]
        other.kill()


@pytest.mark.parametrize(
    ("chosen", "channel"), [("standard", "standard"), ("experimental", "experimental"), ("none", "")]
)
def test_the_api_server_gets_the_channel_of_gateway_api(chosen: str, channel: str) -> None:
    options = start.UpOptions("none", nodes=1, overlay="direct", api_port=0, timeout=1, gateway_api=chosen)
    assert start._services(options).gateway_api == channel
