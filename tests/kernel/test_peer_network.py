"""Whose network a process has that connects to a Unix socket: two pods, one of them hostile, and the node itself."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from podwire.kernel import links, peer_network, routes
from podwire.kernel.elements import IPAddress
from podwire.kernel.links import VethEnd
from podwire.kernel.namespaces import enter_network, new_network_namespace
from podwire.kernel.netlink import Netlink
from podwire.kernel.routes import Route
from tests.sandbox import sandboxed

FIRST = frozenset(map(ipaddress.ip_address, ("10.1.0.1", "fd00::1")))
SECOND = frozenset(map(ipaddress.ip_address, ("10.1.0.2", "fd00::2")))


def pod(folder: Path, number: int, addresses: frozenset[IPAddress]) -> Path:
    """Make a pod's network, with a link of the node that its addresses are routed to."""
    place = folder / f"pod-{number}"
    new_network_namespace(place)
    name, far = VethEnd(f"pw{number}", f"02:00:00:00:00:0{number}"), VethEnd("eth0", f"02:00:00:00:01:0{number}")
    with Netlink() as node, open(place) as there:
        node.run([links.veth(name, far, there.fileno(), 1500), links.bring_up(name.name)])
        with Netlink(place) as inside:
            inside.run([links.bring_up("eth0")])
        link = links.find(node, name.name)
        assert link is not None
        node.run(
            routes.replace_route(Route(ipaddress.ip_network(one), 99, link.index)) for one in sorted(addresses, key=str)
        )
    return place


def connected(listener: socket.socket, work: Callable[[], None]) -> tuple[socket.socket, int]:
    """Return the connection of a process that works before it connects, and the process."""
    address = listener.getsockname()
    child = os.fork()
    if child == 0:
        try:
            work()
            client = socket.socket(socket.AF_UNIX)
            client.connect(address)
            signal.pause()
        finally:
            os._exit(1)
    listener.settimeout(30)
    connection, _ = listener.accept()
    return connection, child


def end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def found(listener: socket.socket, work: Callable[[], None]) -> frozenset[IPAddress]:
    connection, child = connected(listener, work)
    try:
        return peer_network.addresses(connection)
    finally:
        end(child)
        connection.close()


def prepare(folder: Path) -> tuple[socket.socket, Path, Path]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    return listener, pod(folder, 1, FIRST), pod(folder, 2, SECOND)


def hostile(place: Path) -> None:
    """Enter a network, and give it the addresses and a link like those of the first pod."""
    enter_network(place)
    with Netlink() as inside:
        inside.run([links.bring_up("eth0")])
        eth0 = links.find(inside, "eth0")
        assert eth0 is not None
        inside.run(links.add_address(eth0.index, one) for one in sorted(FIRST, key=str))
        with open("/proc/thread-self/ns/net") as own:
            ends = VethEnd("pw1", "02:00:00:00:00:09"), VethEnd("x", "02:00:00:00:00:08")
            inside.run([links.veth(*ends, own.fileno(), 1500)])


@sandboxed
def test_a_caller_is_known_by_what_the_node_routes_to_its_network(tmp_path: Path) -> None:
    listener, first, second = prepare(tmp_path)
    assert found(listener, lambda: enter_network(first)) == FIRST
    assert found(listener, lambda: enter_network(second)) == SECOND
    assert found(listener, lambda: hostile(second)) == SECOND, "its own addresses and links are not read"
    assert found(listener, lambda: None) == frozenset(), "the node itself"


@sandboxed
def test_it_is_known_without_the_newer_calls_of_linux_too(tmp_path: Path) -> None:
    listener, first, _ = prepare(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer_network, "_PIDFD_GET_NET_NAMESPACE", 0xFFFE)
        assert found(listener, lambda: enter_network(first)) == FIRST
        patch.setattr(peer_network, "_SO_PEERPIDFD", 9999)
        assert found(listener, lambda: enter_network(first)) == FIRST


@sandboxed
def test_a_process_that_has_ended_is_nobody(tmp_path: Path) -> None:
    """Its number may be another's by now."""
    listener, first, _ = prepare(tmp_path)
    connection, child = connected(listener, lambda: enter_network(first))
    end(child)
    with pytest.raises(OSError, match=r"process|No such|ESRCH"):
        peer_network.addresses(connection)
