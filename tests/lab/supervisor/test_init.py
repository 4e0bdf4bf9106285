"""pid 1 survives errors of its own steps and never waits for the zygote: with it the whole world would end."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from podwire.lab.base import paths
from podwire.lab.base.exit_ring import exit_status
from podwire.lab.supervisor.init import Init, WorldSpec
from podwire.lab.supervisor.role_states import RoleSpec, State
from tests.sandbox import in_world


def first_process(*roles: RoleSpec) -> Init:
    """A pid 1 that starts no zygote."""
    paths.EXITS.unlink()  # the sandbox has a pid 1 of its own
    init = Init(WorldSpec("w", roles, {}, Path("/tmp"), -1))
    init._zygote_pid = -1
    return init


def readable_pipe() -> int:
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.close(writer)
    return reader


@in_world
def test_an_error_of_one_step_stops_neither_the_others_nor_pid_1() -> None:
    init = first_process()
    done = []

    def fails(descriptor: int) -> None:
        done.append(f"failed {descriptor}")
        raise OSError(28, "No space left on device")

    failing, working = readable_pipe(), readable_pipe()
    init._selector.register(failing, 1, fails)
    init._selector.register(working, 1, lambda descriptor: done.append(f"worked {descriptor}"))
    child = os.fork()
    if child == 0:
        os._exit(3)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    init._step()
    assert sorted(done) == [f"failed {failing}", f"worked {working}"]
    assert exit_status(paths.EXITS, child, time.time()) == 3 << 8, "it was reaped in the same turn"


@in_world
def test_each_ended_process_is_handled_although_another_one_cannot_be_recorded(
    capfd: pytest.CaptureFixture[str],
) -> None:
    role = RoleSpec("role", "m:role", "")
    init = first_process(role)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(0)
        children.append(child)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    init._supervision.due(0)
    init._supervision.running("role", children[1], 0)
    init._exits.close()
    init._reap()
    assert init._supervision.state("role") is State.WAITING
    assert "Bad file descriptor" in capfd.readouterr().err


@in_world
def test_a_zygote_that_takes_no_requests_blocks_no_client() -> None:
    init = first_process(RoleSpec("role", "m:role", ""))
    waiting = []
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            connection.connect(str(paths.ZYGOTE_SOCKET))
        except BlockingIOError:
            break
        waiting.append(connection)
    assert waiting
    before = time.monotonic()
    init._start_roles()
    assert time.monotonic() - before < 60, "a blocking connect would wait for ever"
    assert init._supervision.state("role") is State.WAITING
