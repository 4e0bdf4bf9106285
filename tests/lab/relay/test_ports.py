import asyncio
import socket

import pytest

from podwire.kube.meta import NamespacedName
from podwire.lab.relay import low_ports, ports
from podwire.lab.relay.forwards import Forward
from podwire.lab.relay.host_addresses import SUBNETS, claim_of
from podwire.lab.relay.listeners import Connections
from podwire.lab.relay.ports import HostPorts
from podwire.lab.relay.sockets import HostBinder
from podwire.lab.relay.table import Entry
from podwire.lab.relay.targets import Target
from tests.lab.relay.loopback import DEADLINE, Binder, Loopback, closed_port

WEB = NamespacedName("shop", "web")
SUBNET = 200
"""Of loopback addresses, as no world has it."""


def balanced(port: int, last: int = 7) -> Forward:
    return Forward(WEB, "LoadBalancer", "TCP", port, 80, f"172.18.254.{last}")


def host_ports(binder: HostBinder, *previous: Entry, target: Target | None = None) -> HostPorts:
    async def resolve(forward: Forward) -> list[Target]:
        return [target or Target("outside", forward.address, forward.port)]

    known = {entry.forward.key: entry for entry in previous}
    found = HostPorts(binder, Loopback(), Connections(10), resolve, known)
    found.subnet = SUBNET
    return found


async def test_a_load_balancer_has_its_own_address_and_true_port() -> None:
    opened = host_ports(Binder())
    entry = await opened.open(balanced(8081))
    assert (entry.host, entry.port, entry.note) == ("127.200.254.7", 8081, "")
    assert opened.entries[entry.forward.key] == entry
    opened.close(entry.forward.key)
    assert opened.entries == {}
    with socket.socket() as one:
        assert one.connect_ex((entry.host, entry.port)) != 0


async def test_a_port_that_needs_root_is_a_higher_one_with_the_reason() -> None:
    opened = host_ports(Binder())
    entry = await opened.open(balanced(80))
    assert (entry.port, entry.note) == (8080, ports.NEEDS_ROOT)
    opened.close(entry.forward.key)


async def test_a_port_that_is_taken_is_another_one_with_the_reason() -> None:
    node_port = Forward(WEB, "NodePort", "TCP", 30080, 80)
    opened = host_ports(Binder(("127.0.0.1", 30080)))
    entry = await opened.open(node_port)
    assert (entry.host, entry.note) == ("127.0.0.1", "127.0.0.1:30080 is taken on this host")
    assert entry.port not in {0, 30080}
    opened.close(node_port.key)


async def test_the_next_process_opens_the_same_ports() -> None:
    before = Entry(balanced(80), "127.200.254.7", 9080, ports.NEEDS_ROOT)
    binder = Binder()
    opened = host_ports(binder, before)
    assert await opened.open(balanced(80)) == before
    assert binder.tried == [("127.200.254.7", 9080)]
    opened.close(before.forward.key)
    assert (await opened.open(balanced(80))).port == 8080, "once: a Service that is made again starts again"
    opened.close(before.forward.key)


async def test_past_the_limit_a_port_is_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "MOST_PORTS", 1)
    opened = host_ports(Binder())
    first = await opened.open(balanced(8081))
    second = await opened.open(balanced(8082))
    assert (second.host, second.port) == ("", 0)
    assert "at most 1" in second.note
    opened.close(first.forward.key)
    opened.close(second.forward.key)


class Claims:
    """A machine on which some worlds have claimed subnets."""

    def __init__(self, *subnets: int) -> None:
        self.taken = {claim_of(subnet) for subnet in subnets}

    async def bind(self, protocol: str, address: str, port: int) -> socket.socket:
        if (address, port) in self.taken:
            raise OSError(98, "Address already in use")
        self.taken.add((address, port))
        return socket.socket(socket.AF_INET, low_ports.TYPES[protocol])


async def claimed(machine: Claims, first: int) -> int:
    found = host_ports(machine)
    await found.claim(first)
    if found._claim is not None:
        found._claim.close()
    return found.subnet


async def test_worlds_on_one_machine_have_different_subnets() -> None:
    machine = Claims(18)
    assert await claimed(machine, 0) == 19, "the first that is free"
    assert await claimed(machine, 30) == 30, "that of the process before"
    assert await claimed(machine, 30) == 20
    assert await claimed(Claims(*SUBNETS), 30) == 18, "shared where none is free"


async def test_a_change_leads_the_open_port_to_the_new_forward() -> None:
    opened = host_ports(Binder(), target=closed_port())
    entry = await opened.open(Forward(WEB, "NodePort", "TCP", 0, 80))
    changed = Forward(WEB, "NodePort", "TCP", 0, 80, local=True)
    opened.change(changed)
    assert opened.entries[changed.key] == Entry(changed, entry.host, entry.port)
    reader, writer = await asyncio.wait_for(asyncio.open_connection(entry.host, entry.port), DEADLINE)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), DEADLINE)
    writer.close()
    opened.close(changed.key)
