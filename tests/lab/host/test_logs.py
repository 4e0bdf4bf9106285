"""Logs of a world's processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from podwire.lab.base.proc_stat import start_time
from podwire.lab.host import logs
from podwire.lab.host.worlds import World, WorldError


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("PODWIRE_STATE", str(tmp_path))
    started = start_time(os.getpid()) or 0
    made = World(name="w", pid=os.getpid(), started=started, nodes=2, overlay="direct", api_port=7, version="0")
    (made.folder / "logs").mkdir(parents=True)
    for name in ("apiserver", "agent-node-1", "agent-node-2", "agent"):
        (made.folder / "logs" / f"{name}.log").write_text(f"{name} one\n{name} two\nhalf")
    (made.folder / "logs" / "agent.log").unlink()
    return made


def test_a_process_of_all_nodes_is_named_without_a_node(world: World) -> None:
    assert list(logs.chosen(world, "apiserver", ())) == ["apiserver"]
    assert list(logs.chosen(world, "agent", ())) == ["agent-node-1", "agent-node-2"]
    assert list(logs.chosen(world, "agent", ("node-2",))) == ["agent-node-2"]
    assert list(logs.chosen(world, "agent-node-2", ())) == ["agent-node-2"]
    with pytest.raises(WorldError, match="no process 'agent-node-9' in world 'w'; there are: agent-node-1"):
        logs.chosen(world, "agent", ("node-9",))
    with pytest.raises(WorldError, match="no process 'nobody'"):
        logs.chosen(world, "nobody", ())


def test_several_logs_have_the_process_before_each_line(world: World) -> None:
    written: list[bytes] = []
    logs.write(logs.chosen(world, "agent", ()), written.append, tail=2)
    assert b"".join(written) == (
        b"agent-node-1 | agent-node-1 two\nagent-node-1 | half\nagent-node-2 | agent-node-2 two\nagent-node-2 | half\n"
    )
    written.clear()
    logs.write(logs.chosen(world, "apiserver", ()), written.append, tail=0)
    assert not written


def test_what_is_appended_is_followed_in_whole_lines(world: World) -> None:
    written: list[bytes] = []
    path = logs.processes(world)["apiserver"]

    class EnoughError(Exception):
        pass

    def write(piece: bytes) -> None:
        written.append(piece)
        if b"".join(written).endswith(b"more\n"):
            raise EnoughError

    appending = threading.Timer(0.0, lambda: path.open("ab").write(b" more\nrest"))
    appending.start()
    with pytest.raises(EnoughError):
        logs.write({"apiserver": path}, write, follow=True)
    appending.join()
    assert b"".join(written) == b"apiserver one\napiserver two\nhalf more\n"
