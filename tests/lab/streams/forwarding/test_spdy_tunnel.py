from __future__ import annotations

import pytest

from podwire.lab.streams.forwarding import spdy_session
from podwire.lab.streams.forwarding.spdy_tunnel import MESSAGE_SIZE, SpdyTunnel
from podwire.lab.streams.forwarding.tunnel import Connect, Dropped, Input, InputEnded
from tests.lab.streams.forwarding.spdy_client import SpdyClient


@pytest.fixture
def client() -> SpdyClient:
    return SpdyClient()


@pytest.fixture
def tunnel() -> SpdyTunnel:
    return SpdyTunnel()


def hear(client: SpdyClient, tunnel: SpdyTunnel) -> None:
    for message in tunnel.unsent():
        client.hear(message)


def test_a_connection_and_its_end(client: SpdyClient, tunnel: SpdyTunnel) -> None:
    assert tunnel.begin() == []
    assert tunnel.receive(client.connection("0", 80, first=1)) == [Connect(3, 80)]
    assert tunnel.receive(client.send(3, b"GET /")) == [Input(3, b"GET /")]
    assert tunnel.receive(client.send(3, b"", finished=True)) == [InputEnded(3)]
    tunnel.output(3, b"200 OK")
    tunnel.close(3)
    tunnel.close(3)
    hear(client, tunnel)
    assert client.replied == {1, 3}
    assert client.data == {3: b"200 OK", 1: b""}
    assert client.finished == {1, 3}


def test_an_error_is_sent_on_its_own_stream(client: SpdyClient, tunnel: SpdyTunnel) -> None:
    tunnel.receive(client.connection("0", 81, first=1))
    tunnel.close(3, "refused")
    hear(client, tunnel)
    assert (client.data[1], client.finished) == (b"refused", {1, 3})


def test_connections_stand_beside_each_other(client: SpdyClient, tunnel: SpdyTunnel) -> None:
    events = tunnel.receive(client.connection("0", 80, first=1) + client.connection("1", 443, first=5))
    assert events == [Connect(3, 80), Connect(7, 443)]
    assert tunnel.receive(client.reset(3)) == [Dropped(3)]
    tunnel.output(3, b"lost")
    tunnel.output(7, b"kept")
    hear(client, tunnel)
    assert (client.data.get(3), client.data[7]) == (None, b"kept")
    assert 1 in client.finished


@pytest.mark.parametrize(
    "headers",
    [
        {"streamType": "data", "port": "80", "requestID": "0"},
        {"streamType": "other"},
        {},
    ],
)
def test_a_stream_that_makes_no_sense_is_reset(client: SpdyClient, tunnel: SpdyTunnel, headers: dict[str, str]) -> None:
    assert tunnel.receive(client.open(1, headers)) == []
    hear(client, tunnel)
    assert client.resets == {1: spdy_session.PROTOCOL_ERROR}


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "", "٣"])
def test_a_port_that_is_none_is_reset(client: SpdyClient, tunnel: SpdyTunnel, port: str) -> None:
    tunnel.receive(client.open(1, {"streamType": "error", "requestID": "0"}))
    assert tunnel.receive(client.open(3, {"streamType": "data", "requestID": "0", "port": port})) == []
    hear(client, tunnel)
    assert client.resets == {3: spdy_session.PROTOCOL_ERROR}


def test_messages_are_of_moderate_size(client: SpdyClient, tunnel: SpdyTunnel) -> None:
    tunnel.receive(client.connection("0", 80, first=1))
    for _ in range(5):
        tunnel.output(3, b"x" * 50_000)
    messages = tunnel.unsent()
    assert max(map(len, messages)) == MESSAGE_SIZE
    for message in messages:
        client.hear(message)
    assert client.data[3] == b"x" * 250_000
