import asyncio
import socket
from pathlib import Path

import pytest

from podwire.kube.watch import Change
from podwire.lab.relay import demand
from podwire.lab.relay.trigger import RelayTrigger
from podwire.lab.supervisor import power
from tests.lab.relay.loopback import until
from tests.lab.relay.services import HTTP, service

WEB = Change(None, service("web", HTTP))


def requests(listener: socket.socket) -> list[str]:
    """The roles that were requested until now."""
    found: list[str] = []
    while True:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return found
        with client:
            found.append(power.role_of(client.makefile("rb").readline()))


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    return tmp_path / "power"


def listening(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    found.bind(str(path))
    found.listen()
    return found


async def test_each_service_that_comes_for_outside_clients_requests_the_relay(switch: Path) -> None:
    relay = RelayTrigger("relay", switch)
    with listening(switch) as listener:
        relay(Change(None, service("inner", {"port": 80}, type="ClusterIP")))
        relay(Change(service("gone", HTTP), None))
        relay(Change(service("web", HTTP), service("web", HTTP)))
        await asyncio.sleep(0)
        assert requests(listener) == []
        relay(Change(None, service("node", HTTP, type="NodePort")))
        relay(WEB)
        await asyncio.sleep(0)
        assert requests(listener) == ["relay"]
        relay(Change(service("inner", {"port": 80}, type="ClusterIP"), service("inner", HTTP)))
        await asyncio.sleep(0)
        assert requests(listener) == ["relay"], "the relay may have ended meanwhile"


async def test_a_request_that_fails_is_sent_again(switch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demand, "RETRY_SECONDS", 0.01)
    RelayTrigger("relay", switch)(WEB)
    await asyncio.sleep(0)
    with listening(switch) as listener:
        found: list[str] = []

        def received() -> bool:
            found.extend(requests(listener))
            return bool(found)

        await until(received)
        assert found == ["relay"]
