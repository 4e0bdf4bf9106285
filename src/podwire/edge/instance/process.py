"""The first process of an Envoy's container: starts Envoy; at SIGTERM drains it before it ends.

Envoy itself ends at once at SIGTERM and cuts its requests. Source: Envoy's "Draining" and "Administration interface".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from podwire.edge.instance.configuration import Instance, arguments, files

POLL_SECONDS = 0.2
QUIET_SECONDS = 1.0
"""After SIGTERM clients connect until every node has applied that the endpoint terminates."""
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
    envoy = await asyncio.create_subprocess_exec(*arguments(instance))
    ended = asyncio.ensure_future(envoy.wait())
    stop = asyncio.ensure_future(stopped.wait())
    await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not ended.done():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, instance.drain_seconds - END_SECONDS)):
                await _drain(instance)
        with contextlib.suppress(ProcessLookupError):
            envoy.terminate()
        await ended
        return 0
    return ended.result() if ended.result() >= 0 else 128 - ended.result()


async def _drain(instance: Instance) -> None:
    """Fail the readiness probe, end idle connections, and return when no connection is left."""
    for path in ("/healthcheck/fail", "/drain_listeners?graceful&skip_exit"):
        with contextlib.suppress(OSError, TimeoutError):
            await request(instance.admin_socket, "POST", path)
    await asyncio.sleep(QUIET_SECONDS)
    while await connections(instance.admin_socket):  # noqa: ASYNC110 another process has them
        await asyncio.sleep(POLL_SECONDS)


async def connections(admin_socket: str) -> int:
    """Return how many connections of clients are open; 0 where Envoy does not answer any more."""
    try:
        text = await request(admin_socket, "GET", "/stats?filter=^listener\\..*downstream_cx_active$")
    except (OSError, TimeoutError):
        return 0
    return open_connections(text)


def open_connections(stats: str) -> int:
    """Return the sum of the open connections of all listeners but those of Envoy itself."""
    lines = (line.rpartition(": ") for line in stats.splitlines())
    found = (count for name, _, count in lines if not any(part in name for part in ("worker_", ".admin.", ".probes.")))
    return sum(int(count) for count in found if count.isdecimal())


async def request(admin_socket: str, method: str, path: str) -> str:
    """Return the body of a response of the admin interface. Raises OSError and TimeoutError."""
    async with asyncio.timeout(ADMIN_SECONDS):
        reader, writer = await asyncio.open_unix_connection(admin_socket)
        try:
            head = f"{method} {path} HTTP/1.0\r\nhost: admin\r\ncontent-length: 0\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
    return answer.decode("utf-8", "replace").partition("\r\n\r\n")[2]


def listening_address() -> str:
    """Return `::` where the kernel has IPv6, which takes connections of both families there; else `0.0.0.0`."""
    return "::" if os.path.exists("/proc/net/if_inet6") else "0.0.0.0"  # noqa: S104 a proxy has clients everywhere
