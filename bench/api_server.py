"""Servers to measure: the API server in a process of its own, and floors, which answer prepared bytes.

Both speak HTTP/1.1 over TLS with client certificates, on a loopback port.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bench.isolation import background
from podwire.apiserver.base.authentication import tls_context
from podwire.apiserver.main import ApiServerConfig, serve
from podwire.kube.credentials import Credentials
from podwire.lab.host import credentials
from podwire.lab.kubelet.node_dialer import UnixSocketDialer
from podwire.pki import certificates

Answer = Callable[[bytes], bytes]
"""From the head of a request, up to its empty line, to the whole answer."""


@dataclass(frozen=True)
class Served:
    """A server that runs: its process, its port, and the folder with the keys."""

    pid: int
    port: int
    folder: Path

    def proof(self, name: str = credentials.ADMIN) -> Credentials:
        """Those of a client of this name."""
        return credentials.of_folder(self.folder, name, f"https://127.0.0.1:{self.port}")

    def context(self, name: str = credentials.CONTROLLERS) -> ssl.SSLContext:
        """TLS of a client of this name."""
        return self.proof(name).ssl_context()


def make_keys(folder: Path, *addresses: str) -> None:
    """Keys as a world has them, for any number of servers; their clients may connect to these addresses too."""
    authority = certificates.Authority.create()
    certificates.write(folder, "ca", authority.pair)
    certificates.write(folder, credentials.SERVER, authority.server(addresses=(*certificates.LOOPBACK, *addresses)))
    certificates.write(folder, credentials.ADMIN, authority.client("kubernetes-admin", ["system:masters"]))
    certificates.write(folder, credentials.CONTROLLERS, authority.client("system:kube-controller-manager", []))


@contextlib.contextmanager
def api_server(keys: Path, store: Path, *, durable: bool, address: str = "127.0.0.1") -> Iterator[Served]:
    """The API server as a world has it: with access control, tokens and the audit log. It listens on one address."""
    config = ApiServerConfig(
        store=str(store),
        authority_file=str(keys / "ca.crt"),
        certificate_file=str(keys / f"{credentials.SERVER}.crt"),
        key_file=str(keys / f"{credentials.SERVER}.key"),
        listen=(),
        service_ranges=("10.96.0.0/16", "fd00:10:96::/112"),
        cluster_addresses=("10.96.0.1", "fd00:10:96::1"),
        endpoint_addresses=("172.18.0.1", "fd00:172:18::1"),
        dial_nodes=lambda _: UnixSocketDialer(keys),
        audit_file=str(store.with_name("audit.log")),
        durable=durable,
    )
    with _listening(keys, lambda listener: serve(replace(config, sockets=(listener,))), address) as served:
        yield served


@contextlib.contextmanager
def floor(keys: Path, answer: Answer) -> Iterator[Served]:
    """A server that reads requests and answers what was prepared: what any server in this language would cost."""
    with _listening(keys, lambda listener: _answer_for_ever(keys, listener, answer)) as served:
        yield served


@contextlib.contextmanager
def _listening(
    keys: Path, server: Callable[[socket.socket], Coroutine[Any, Any, None]], address: str = "127.0.0.1"
) -> Iterator[Served]:
    listener = socket.create_server((address, 0), backlog=1024)
    listener.setblocking(False)

    def run() -> None:
        gc.collect()
        gc.freeze()
        asyncio.run(server(listener))

    port = listener.getsockname()[1]
    with background(run) as process:
        listener.close()
        yield Served(process.pid or 0, port, keys)


async def _answer_for_ever(keys: Path, listener: socket.socket, answer: Answer) -> None:
    tls = tls_context(str(keys / "ca.crt"), *(str(keys / f"{credentials.SERVER}.{end}") for end in ("crt", "key")))
    server = await asyncio.get_running_loop().create_server(lambda: _Canned(answer), sock=listener, ssl=tls)
    await server.serve_forever()


class _Canned(asyncio.Protocol):
    """One connection of a floor: waits for a whole request, sends its answer."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n") + 4) >= 4:
            head = self._received[:end]
            size = end + content_length(head)
            if len(self._received) < size:
                return
            self._received = self._received[size:]
            self._transport.write(self._answer(head))


def content_length(head: bytes) -> int:
    """The length of the body after a head; 0 where it has none."""
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0
