from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from podwire.lab.supervisor import power
from podwire.lab.supervisor.power import PowerError, PowerRequest


def answering(switch: Path, answer: bytes) -> threading.Thread:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(switch))
    listener.listen(1)

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.makefile("rb").readline()
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_request_is_read_as_it_was_written() -> None:
    request = PowerRequest("node-2", on=False)
    assert PowerRequest.decode(request.encode()) == request
    with pytest.raises((ValueError, KeyError)):
        PowerRequest.decode(b"{}\n")


def test_asking_waits_for_the_answer(tmp_path: Path) -> None:
    thread = answering(tmp_path / "switch", b'{"done": true}\n')
    power.request(PowerRequest("node-2", on=True), tmp_path / "switch")
    thread.join()


@pytest.mark.parametrize(("answer", "text"), [(b"", "no answer"), (b'{"error": "no"}\n', "no"), (b"?\n", "not answer")])
def test_what_is_no_success_is_an_error(tmp_path: Path, answer: bytes, text: str) -> None:
    thread = answering(tmp_path / "switch", answer)
    with pytest.raises(PowerError, match=text):
        power.request(PowerRequest("node-2", on=True), tmp_path / "switch")
    thread.join()


def test_without_a_world_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PowerError, match="node node-2: the world's first process does not answer"):
        power.request(PowerRequest("node-2", on=True), tmp_path / "switch")
