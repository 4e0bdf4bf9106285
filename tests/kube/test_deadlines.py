"""A peer that dies in silence: no packet of it comes any more, and none says that the connection is over."""

import asyncio
import json
import socket

from podwire.kernel import namespaces
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.deadlines import Deadlines
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS
from tests.kube.fake_server import item
from tests.sandbox import Host, join, sandboxed

SERVER = "10.9.0.1"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class Machine:
    """A server on a host of its own, joined by a cable to the host of this process."""

    def __init__(self) -> None:
        self.lists = 0
        self.connections: set[asyncio.StreamWriter] = set()
        self._host, client = Host("server"), Host("client")
        join(self._host, client, "eth0", "eth0")
        self._host.run("ip", "address", "add", f"{SERVER}/24", "dev", "eth0")
        client.run("ip", "address", "add", "10.9.0.2/24", "dev", "eth0")
        with namespaces.inside_network(self._host.path):
            self.listener = socket.create_server((SERVER, 8080))
        namespaces.enter_network(client.path)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each list, and hold each watch open without an event."""
        self.connections.add(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"watch=true" in head:
                writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
                continue
            self.lists += 1
            body = json.dumps({"metadata": {"resourceVersion": "5"}, "items": [item("a", self.lists)]}).encode()
            writer.write(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def cut(self) -> None:
        """Lose every packet on the way in or out: neither side receives the end of a connection."""
        chains = (
            f"chain {hook} {{ type filter hook {hook} priority 0; policy drop; }}" for hook in ("input", "output")
        )
        self._host.run("nft", f"table ip cut {{ {'; '.join(chains)}; }}")


@sandboxed
async def test_a_watch_notices_within_seconds_that_its_peer_is_gone() -> None:
    machine = Machine()
    server = await asyncio.start_server(machine.answer, sock=machine.listener)
    deadlines = Deadlines(connect=1, idle=1, probe=1, unacknowledged=2)
    async with server, Client(Credentials(f"http://{SERVER}:8080"), deadlines=deadlines) as client:
        informer = Informer(client, CONFIG_MAPS)
        failed = asyncio.Event()
        informer.status.failed = lambda *_: failed.set()  # type: ignore[method-assign]
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(30):
            await informer.synced.wait()
            machine.cut()
            await failed.wait()
        assert not any(writer.transport.is_closing() for writer in machine.connections)
        task.cancel()
