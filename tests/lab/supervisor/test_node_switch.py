"""A node is turned off step by step; pid 1 goes on with its other work meanwhile."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from podwire.agent.config import AgentConfig
from podwire.kube.credentials import Credentials
from podwire.lab.base import paths
from podwire.lab.supervisor import power
from podwire.lab.supervisor.node_switch import OFF_SECONDS, NodeSwitch
from podwire.lab.supervisor.power import PowerRequest
from podwire.pods.model import Cluster
from podwire.pods.runtime.ready_mark import SUFFIX


class Roles:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def hold(self, network: str) -> None:
        self.calls.append(f"hold {network}")

    def release(self, network: str) -> None:
        self.calls.append(f"release {network}")

    def demand(self, role: str) -> None:
        if role != "relay":
            raise KeyError(role)
        self.calls.append(f"demand {role}")


def client(path: Path, line: bytes) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(30)
    connection.connect(str(path))
    connection.sendall(line)
    return connection


@pytest.fixture
def roles() -> Roles:
    return Roles()


@pytest.fixture
def switch(tmp_path: Path, roles: Roles) -> NodeSwitch:
    return NodeSwitch(tmp_path / "power", roles.hold, roles.release, roles.demand)


def test_a_node_is_off_when_nothing_of_it_runs_any_more(
    tmp_path: Path, switch: NodeSwitch, roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = [[7, 8], [8], []]
    monkeypatch.setattr(power, "kill_all", lambda _: alive.pop(0))
    with client(tmp_path / "power", PowerRequest("node-1", on=False).encode()) as connection:
        assert switch.accept(10) == ""
        assert roles.calls == ["hold /run/podwire/netns/node-1"]
        for now in (10, 11):
            switch.step(now)
            assert switch.pause() is not None
        switch.step(12)
        assert connection.makefile("rb").readline() == power.DONE
    assert switch.pause() is None


def test_a_process_that_cannot_be_killed_is_reported_and_not_waited_for(
    tmp_path: Path, switch: NodeSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "kill_all", lambda _: [7])
    with client(tmp_path / "power", PowerRequest("node-1", on=False).encode()) as connection:
        switch.accept(10)
        switch.step(10 + OFF_SECONDS)
        assert "process 7" in json.loads(connection.makefile("rb").readline())["error"]
    assert switch.pause() is None


def test_a_node_is_released_at_once(tmp_path: Path, switch: NodeSwitch, roles: Roles) -> None:
    with client(tmp_path / "power", PowerRequest("node-1", on=True).encode()) as connection:
        switch.accept(10)
        assert connection.makefile("rb").readline() == power.DONE
    assert roles.calls == ["release /run/podwire/netns/node-1"]
    assert switch.pause() is None


def test_what_is_no_request_is_refused(tmp_path: Path, switch: NodeSwitch) -> None:
    with client(tmp_path / "power", b"?\n") as connection:
        assert "JSONDecodeError" in switch.accept(10)
        assert "cannot be read" in json.loads(connection.makefile("rb").readline())["error"]


def test_a_role_on_demand_is_started_by_its_name(tmp_path: Path, switch: NodeSwitch, roles: Roles) -> None:
    with client(tmp_path / "power", power.role_request("relay")) as connection:
        assert switch.accept(0.0) == ""
        assert json.loads(connection.makefile("rb").readline()) == {"done": True}
    assert roles.calls == ["demand relay"]
    with client(tmp_path / "power", power.role_request("nobody")) as connection:
        assert "nobody" in switch.accept(0.0)
        assert "error" in json.loads(connection.makefile("rb").readline())


def test_a_node_that_is_switched_on_is_not_ready_by_the_mark_of_its_last_agent(
    tmp_path: Path, switch: NodeSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "NODES", tmp_path)
    socket_path = AgentConfig("node-1", Credentials(""), Cluster(()), (), paths.node("node-1")).cni_socket
    mark = paths.ready_mark("node-1")
    assert mark.name == socket_path.name + SUFFIX
    mark.parent.mkdir()
    mark.touch()
    for on, remains in ((False, True), (True, False)):
        with client(tmp_path / "power", PowerRequest("node-1", on=on).encode()):
            switch.accept(1)
        assert mark.exists() == remains
