"""Links that come up, as the kernel reports them."""

import socket
import subprocess

from podwire.kernel.link_events import LinkEvents
from tests.sandbox import sandboxed


def ip(*words: str) -> None:
    subprocess.run(["ip", "link", *words], check=True)


@sandboxed
def test_a_link_that_comes_up_is_reported_and_one_that_is_down_is_not() -> None:
    events = LinkEvents()
    assert events.read() == frozenset()
    ip("add", "eth0", "type", "bridge")
    assert events.read() == frozenset()
    ip("set", "eth0", "up")
    assert events.read() == frozenset({"eth0"})
    ip("set", "eth0", "down")
    events.read()
    ip("add", "other", "type", "bridge")
    ip("set", "other", "up")
    assert events.read() == frozenset({"other"})
    events.close()


@sandboxed
def test_lost_reports_are_known_as_such() -> None:
    events = LinkEvents()
    events._reports._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least that the kernel allows
    for number in range(10):
        ip("add", f"bridge{number}", "type", "bridge")
    assert events.read() is None
    events.close()
