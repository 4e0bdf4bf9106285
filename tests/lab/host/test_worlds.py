import fcntl
import os
from pathlib import Path

import msgspec
import pytest

from podwire.lab.base.proc_stat import start_time
from podwire.lab.host import kubeconfig, stop, worlds
from podwire.lab.host.access import Access
from podwire.lab.host.worlds import World, WorldError


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWIRE_STATE", str(tmp_path))


def world(name: str, pid: int, started: int) -> World:
    made = World(name=name, pid=pid, started=started, nodes=1, overlay="direct", api_port=1, version="0")
    made.folder.mkdir(parents=True)
    worlds.remember(made)
    return made


def test_a_world_lives_while_its_first_process_does() -> None:
    started = start_time(os.getpid())
    assert started is not None
    world("mine", os.getpid(), started)
    world("reused", os.getpid(), started - 1)
    assert worlds.find("mine").alive
    assert worlds.stale() == ["reused"]
    with pytest.raises(WorldError, match="there are: mine"):
        worlds.find("reused")


def test_a_folder_without_a_world_is_stale_unless_someone_is_starting_it() -> None:
    half = worlds.folder("half")
    half.mkdir(parents=True)
    assert worlds.stale() == ["half"]
    (half / "starting").write_text(f"{os.getpid()} {start_time(os.getpid())}")
    assert worlds.stale() == []


def test_a_process_that_took_the_number_over_is_never_killed() -> None:
    worlds.end(world("old", os.getpid(), 1))
    assert start_time(os.getpid()) is not None


def test_ending_a_world_spares_one_that_took_its_name_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    old = world("shop", os.getpid(), 1)
    new = msgspec.structs.replace(old, started=2)
    worlds.remember(new)
    stop.stop(old)
    assert list(worlds.known()) == [new]
    stop.stop(new)
    assert list(worlds.known()) == []


def test_the_current_context_of_a_world_that_ends_becomes_that_of_the_youngest_that_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setattr(worlds, "start_time", {1: 10, 2: 30, 3: 20, 4: 40}.get)
    monkeypatch.setattr(worlds, "end", lambda _: None)
    for name, pid, started in (("a", 1, 10), ("young", 2, 30), ("b", 3, 20), ("current", 4, 40), ("killed", 5, 1)):
        world(name, pid, started)
        kubeconfig.add(config, Access(worlds.context_name(name), "https://127.0.0.1:1", b"", b"", b""))
    assert stop.prune() == (["killed"], "podwire-current")
    assert stop.stop(worlds.find("a")) == "", "it was not the current one"
    assert stop.stop(worlds.find("current")) == "podwire-young"
    assert kubeconfig.current() == "podwire-young"


def test_folders_are_claimed_and_cleared_away_by_one_at_a_time() -> None:
    with worlds.exclusive():
        other = os.open(worlds.folder("any").parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


@pytest.mark.parametrize("name", ["", "A", "-a", "a/b", "a" * 41, "a b"])
def test_names_that_are_no_labels_are_refused(name: str) -> None:
    with pytest.raises(WorldError, match="--name"):
        worlds.check_name(name)
