"""Which ports a relay keeps open while Services change, without an API server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import SERVICES
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.lab.relay import ports, table
from podwire.lab.relay import relay as relay_module
from podwire.lab.relay.relay import Relay, RelayConfig
from tests.lab.relay.loopback import DEADLINE, Binder, Loopback, until
from tests.lab.relay.services import INTERNAL, service


class Services:
    """The Services of an API server, in place of an informer."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.objects: dict[object, Service] = {}
        self.events: list[str] = []
        self.synced = asyncio.Event()

    def event(self, kind: object, item: Service, reason: str, message: str, *, warning: bool) -> None:
        assert (kind, warning) == (SERVICES, True)
        self.events.append(f"{item.metadata.name} {reason}: {message}")

    async def put(self, *services: Service) -> None:
        for one in services:
            change = Change(self.objects.get(one.key), one)
            self.objects[one.key] = one
            self.relay._service_changed(change)
        await self._settle()

    async def remove(self, one: Service) -> None:
        del self.objects[one.key]
        self.relay._service_changed(Change(one, None))
        await self._settle()

    async def _settle(self) -> None:
        while self.relay._dirty:
            await self.relay._apply(self.relay._dirty.pop())
        self.relay._write()


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    config = RelayConfig(Credentials("https://127.0.0.1:1", "", "", ""), tmp_path, INTERNAL)
    relay = Relay(config, cast("Client", SimpleNamespace(role="")), (Binder(), Loopback()), {})
    relay._ports.subnet = 201
    found = Services(relay)
    monkeypatch.setattr(relay._events, "event", found.event)
    relay._services = found  # type: ignore[assignment]
    return found


def hosts(services: Services) -> dict[str, str]:
    """What the table has: for each Service and port where it is on the host."""
    entries = table.read(services.relay._config.folder).entries
    return {f"{one.forward.service.name} {one.forward.key}": f"{one.host}:{one.port}" for one in entries}


def balanced(name: str, port: int, *addresses: str) -> Service:
    return service(name, {"port": port}, addresses=addresses)


async def test_ports_follow_the_services(services: Services) -> None:
    web = balanced("web", 8081, "172.18.254.1")
    await services.put(web)
    assert hosts(services) == {"web LoadBalancer/TCP/172.18.254.1/8081": "127.201.254.1:8081"}
    await services.put(balanced("web", 8082, "172.18.254.1"))
    assert hosts(services) == {"web LoadBalancer/TCP/172.18.254.1/8082": "127.201.254.1:8082"}
    await services.remove(web)
    assert hosts(services) == {}


async def test_of_two_services_with_one_address_the_second_gets_it_when_the_first_is_gone(services: Services) -> None:
    first, second = balanced("first", 8081, "172.18.254.1"), balanced("second", 8081, "172.18.254.1")
    await services.put(first)
    await services.put(second)
    assert [name.split()[0] for name in hosts(services)] == ["first"]
    await services.remove(first)
    assert [name.split()[0] for name in hosts(services)] == ["second"]
    await services.remove(second)
    assert hosts(services) == {}


async def test_a_service_for_which_there_is_no_port_is_reported_once_and_gets_one_later(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "MOST_PORTS", 1)
    first, second, third = (balanced(f"web{n}", 8080 + n, f"172.18.254.{n}") for n in (1, 2, 3))
    await services.put(first)
    for _ in range(2):
        await services.put(second)
    assert hosts(services)["web2 LoadBalancer/TCP/172.18.254.2/8082"] == ":0"
    (event,) = services.events
    assert event.startswith("web2 HostPortUnavailable")
    assert ports.TOO_MANY in event
    await services.put(third)
    await services.remove(first)
    assert sum(host != ":0" for host in hosts(services).values()) == 1
    await services.remove(third)
    assert hosts(services)["web2 LoadBalancer/TCP/172.18.254.2/8082"] == "127.201.254.2:8082"


async def test_an_address_that_becomes_internal_has_no_port_any_more(services: Services) -> None:
    await services.put(balanced("web", 8081, "172.18.254.1"))
    assert hosts(services)
    await services.put(balanced("web", 8081, "172.18.253.1"))
    assert hosts(services) == {}


async def test_an_event_names_the_port_that_is_taken_and_where_it_is_instead(services: Services) -> None:
    binder = services.relay._ports._host
    assert isinstance(binder, Binder)
    binder.taken.add(("127.201.254.1", 8081))
    await services.put(balanced("web", 8081, "172.18.254.1"), balanced("low", 80, "172.18.254.2"))
    (event,) = services.events
    assert event.startswith("web HostPortUnavailable: LoadBalancer port 8081/TCP: 127.201.254.1:8081 is taken")
    assert "127.201.254.1:16081" in event
    assert hosts(services)["low LoadBalancer/TCP/172.18.254.2/80"] == "127.201.254.2:8080", "no event about that"


@pytest.mark.parametrize("addresses", [("172.18.254.1",), ("172.18.253.1",), ()], ids=["public", "internal", "pending"])
async def test_without_services_and_connections_it_ends(
    services: Services, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    monkeypatch.setattr(relay_module, "IDLE_SECONDS", 0.02)
    relay = services.relay
    services.synced.set()
    relay._nodes.synced.set()
    await services.put(balanced("web", 8081, *addresses))
    looks: list[bool] = []
    is_idle = relay._is_idle

    def look() -> bool:
        looks.append(is_idle())
        return looks[-1]

    monkeypatch.setattr(relay, "_is_idle", look)
    working = asyncio.create_task(relay._work())
    await until(lambda: len(looks) > 2)
    assert not any(looks), "a Service has a port or may get one"
    relay._service_changed(Change(services.objects.popitem()[1], None))
    await asyncio.wait_for(working, DEADLINE)
    assert hosts(services) == {}
