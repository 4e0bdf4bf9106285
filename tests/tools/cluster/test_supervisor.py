"""The supervisor in a child process, with programs of the shell."""

from __future__ import annotations

import functools
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tools.cluster.api import wait
from tools.cluster.control import ProgramState, Verb
from tools.cluster.daemons import Daemon
from tools.cluster.supervisor import Supervisor, accepts

from tools.cluster import control

SECONDS = 20.0
Start = Callable[..., Path]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[int] = []

    def run(*daemons: Daemon) -> Path:
        path = tmp_path / "control.sock"
        pid = os.fork()
        if pid == 0:
            os.setsid()
            try:
                Supervisor(daemons, tmp_path, "", path).run()
            finally:
                os._exit(1)
        children.append(pid)
        wait("the supervisor takes requests", SECONDS, lambda: accepts(str(path)))
        return path

    yield run
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def sleeper(name: str, needs: str = "") -> Daemon:
    return Daemon(name, ("/bin/sh", "-c", f"echo {name} runs; exec sleep 30"), needs)


def state(path: Path, name: str) -> ProgramState:
    return next(one for one in control.request(path, Verb.STATUS) if one.name == name)


def has_ended(path: Path, name: str) -> bool:
    return state(path, name).pid == 0


def end(path: Path, *names: str) -> None:
    for name in names:
        control.request(path, Verb.STOP, name)
        wait(f"{name} has ended", SECONDS, functools.partial(has_ended, path, name))


def test_a_killed_program_starts_again_and_a_stopped_one_does_not(start: Start, tmp_path: Path) -> None:
    path = start(sleeper("a"), sleeper("b"))
    wait("both run", SECONDS, lambda: state(path, "a").pid > 0 and state(path, "b").pid > 0)
    control.request(path, Verb.STOP, "b")
    control.request(path, Verb.KILL, "a")
    wait("a runs again", SECONDS, lambda: state(path, "a").starts == 2 and state(path, "a").pid > 0)
    stopped = state(path, "b")
    assert (stopped.pid, stopped.starts, stopped.stopped) == (0, 1, True)
    control.request(path, Verb.START, "b")
    wait("b runs again", SECONDS, lambda: state(path, "b").pid > 0)
    end(path, "a", "b")
    assert tmp_path.joinpath("a.log").read_text() == "a runs\na runs\n"


def test_a_program_waits_for_what_it_needs(start: Start, tmp_path: Path) -> None:
    needed = tmp_path / "needed.sock"
    path = start(sleeper("waits", str(needed)), sleeper("first"))
    wait("the other one runs", SECONDS, lambda: state(path, "first").pid > 0)
    assert state(path, "waits").starts == 0
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(needed))
        listener.listen()
        wait("it runs", SECONDS, lambda: state(path, "waits").pid > 0)
    end(path, "waits", "first")


def test_an_unknown_program_is_refused_by_name(start: Start) -> None:
    path = start(sleeper("a"))
    with pytest.raises(ValueError, match="kubelet: no program of this host: a"):
        control.request(path, Verb.KILL, "kubelet")
    end(path, "a")


def test_the_kernel_says_who_listens(start: Start, tmp_path: Path) -> None:
    path = start()
    assert os.path.exists(f"/proc/{control.first_process(path)}")
    with pytest.raises(control.NotRunningError, match=r"tools\.cluster up"):
        control.first_process(tmp_path / "none.sock")
