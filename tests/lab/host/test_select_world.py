"""Which world a command means that names none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from podwire.lab.base.proc_stat import start_time
from podwire.lab.host import select_world, worlds
from podwire.lab.host.worlds import World, WorldError

Choose = Callable[[str | None], World]


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODWIRE_STATE", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def run(*names: str) -> None:
    started = start_time(os.getpid())
    assert started is not None
    for name in names:
        made = World(name=name, pid=os.getpid(), started=started, nodes=1, overlay="direct", api_port=1, version="0")
        made.folder.mkdir(parents=True)
        worlds.remember(made)


def look_at(context: str, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump({"current-context": context}))


BOTH = pytest.mark.parametrize("choose", [select_world.choose, select_world.choose_to_end])


@BOTH
def test_a_name_is_what_it_says(choose: Choose) -> None:
    run("default", "k", "n")
    assert choose("n").name == "n"
    with pytest.raises(WorldError, match="no world 'x' is running; there are: default, k, n"):
        choose("x")


@BOTH
def test_the_only_world_needs_no_name(choose: Choose, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no world is running; start one with 'podwire up'"):
        choose(None)
    run("k")
    look_at("podwire-gone", tmp_path)
    assert choose(None).name == "k"


def test_of_several_it_is_that_of_the_current_context_but_not_to_end_it(tmp_path: Path) -> None:
    run("default", "k", "n")
    look_at("podwire-n", tmp_path)
    assert select_world.choose(None).name == "n"
    assert select_world.choose_to_end(None).name == "default"


@BOTH
@pytest.mark.parametrize("context", ["", "prod", "podwire-gone"])
def test_where_the_context_is_no_worlds_it_is_the_default_one(choose: Choose, context: str, tmp_path: Path) -> None:
    run("default", "k")
    look_at(context, tmp_path)
    assert choose(None).name == "default"


def test_several_without_a_default_are_an_error(tmp_path: Path) -> None:
    run("k", "n")
    with pytest.raises(WorldError, match="several worlds run: k, n; choose one with --name"):
        select_world.choose(None)
    look_at("podwire-n", tmp_path)
    with pytest.raises(WorldError, match="several worlds run: k, n; choose one with --name"):
        select_world.choose_to_end(None)


def test_a_kubeconfig_that_cannot_be_read_does_not_matter(tmp_path: Path) -> None:
    run("default", "k")
    (tmp_path / "kubeconfig").write_text("[")
    assert select_world.choose(None).name == "default"
