"""The first process of an Envoy's container: starts Envoy; at SIGTERM drains it before it ends.

Envoy itself ends at once at SIGTERM and cuts its requests. Source: Envoy's "Draining" and "Administration interface".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec

from podwire.edge.instance import passwords
from podwire.edge.instance.configuration import Instance, arguments, files

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
QUIET_SECONDS = 1.5
"""Without a connection for this long, no client connects any more: every node has applied that the endpoint terminates.

While no other Envoy is ready, Services forward to one that terminates, so it serves until its successor does.
"""
END_SECONDS = 2.0
"""Before the deadline: Envoy ends at SIGTERM within this time."""
ADMIN_SECONDS = 2.0


def main(instance: Instance) -> int:
    """Run until Envoy ends; returns its exit status, 0 after a drain. Raises OSError where it cannot be started."""
    for name, text in files(instance).items():
        Path(instance.folder, name).write_text(text)
    return asyncio.run(_run(instance))


async def _run(instance: Instance) -> int:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with passwords.serving(instance.folder):
        return await _envoy(instance, stopped)


async def _envoy(instance: Instance, stopped: asyncio.Event) -> int:
    envoy = await asyncio.create_subprocess_exec(*arguments(instance))
    ended = asyncio.ensure_future(envoy.wait())
    stop = asyncio.ensure_future(stopped.wait())
    await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not ended.done():
        try:
            async with asyncio.timeout(max(0.0, instance.drain_seconds - END_SECONDS)):
                await drain(instance.admin_socket)
        except TimeoutError:
            log.warning("connections of clients are cut: they have not ended in %g s", instance.drain_seconds)
        except OSError as error:
            log.warning("connections of clients are cut: Envoy was not drained: %s", error)
        with contextlib.suppress(ProcessLookupError):
            envoy.terminate()
        await ended
        return 0
    return ended.result() if ended.result() >= 0 else 128 - ended.result()


async def drain(admin_socket: str, quiet_seconds: float = QUIET_SECONDS) -> None:
    """End connections with their next response; return when none is left and no client connects any more.

    The readiness probe goes on to succeed: an endpoint that terminates receives connections only while it is serving.
    Raises OSError where Envoy refuses, or has ended.
    """
    await request(admin_socket, "POST", "/drain_listeners?graceful&skip_exit")
    loop = asyncio.get_running_loop()
    before, since = await connections(admin_socket), loop.time()
    while before.active or loop.time() - since < quiet_seconds:
        await asyncio.sleep(POLL_SECONDS)
        now = await connections(admin_socket)
        if now != before:
            before, since = now, loop.time()


class Connections(msgspec.Struct, frozen=True):
    """Connections of clients: open ones, and all since the start."""

    active: int = 0
    total: int = 0


async def connections(admin_socket: str) -> Connections:
    """Return the connections of clients. Raises OSError where Envoy does not answer any more."""
    return counted(await request(admin_socket, "GET", "/stats?filter=^listener\\..*downstream_cx_(active|total)$"))


def counted(stats: str) -> Connections:
    """Return the connections of all listeners but those of Envoy itself."""
    found = {"active": 0, "total": 0}
    for name, _, count in (line.rpartition(": ") for line in stats.splitlines()):
        kind = name.rpartition("_")[2]
        if kind in found and count.isdecimal() and not any(one in name for one in _OWN):
            found[kind] += int(count)
    return Connections(**found)


_OWN = ("worker_", ".admin.", ".probes.")


async def request(admin_socket: str, method: str, path: str) -> str:
    """Return the body of a response of the admin interface. Raises OSError: a refusal and a time-out too."""
    async with asyncio.timeout(ADMIN_SECONDS):
        reader, writer = await asyncio.open_unix_connection(admin_socket)
        try:
            head = f"{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
    return body_of(answer)


def body_of(answer: bytes) -> str:
    """Return the body of a whole HTTP/1.1 response. Raises OSError for any status but 200."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").lower().split("\r\n")
    if status.split(" ")[1:2] != ["200"]:
        raise OSError(f"the admin interface answered {status!r}")
    if "transfer-encoding: chunked" in fields:
        body = b"".join(_chunks(body))
    return body.decode("utf-8", "replace")


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield the data of each chunk (RFC 9112 section 7.1)."""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.partition(b";")[0] or b"0", 16)
        yield rest[:length]
        body = rest[length + 2 :] if length else b""


def listening_address() -> str:
    """Return `::` where the kernel has IPv6, which takes connections of both families there; else `0.0.0.0`."""
    return "::" if os.path.exists("/proc/net/if_inet6") else "0.0.0.0"  # noqa: S104 a proxy has clients everywhere
