"""The programs of the traffic's pods, on this machine's loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from tools.cluster.pods import client, server


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def port_of(made: socket.socket) -> int:
    return int(made.getsockname()[1])


def answer_connections(listener: socket.socket, count: int) -> threading.Thread:
    def serve() -> None:
        for _ in range(count):
            connection, _ = listener.accept()
            server.guarded(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_each_new_request_has_a_connection_of_its_own(listener: socket.socket) -> None:
    thread = answer_connections(listener, 2)
    outcomes = client.attempts("new", "127.0.0.1", port_of(listener))
    assert [next(outcomes), next(outcomes)] == ["", ""]
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_a_kept_connection_serves_all_requests_and_its_end_is_a_loss(listener: socket.socket) -> None:
    accepted: list[socket.socket] = []

    def serve() -> None:
        connection, _ = listener.accept()
        accepted.append(connection)
        for _ in range(2):
            connection.recv(4096)
            connection.sendall(server.answer())
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    outcomes = client.attempts("kept", "127.0.0.1", port_of(listener))
    assert [next(outcomes), next(outcomes)] == ["", ""]
    assert "Error" in next(outcomes)
    assert len(accepted) == 1


def test_a_denied_target_that_connects_is_a_loss(listener: socket.socket) -> None:
    assert "though it is denied" in next(client.refusals("127.0.0.1", port_of(listener)))


def test_a_denied_target_that_does_not_connect_is_as_it_should_be(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    assert next(client.refusals("127.0.0.1", port)) == ""
    assert "ConnectionRefusedError" in next(client.attempts("new", "127.0.0.1", port))
