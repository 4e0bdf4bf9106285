"""The store's log on the disk, without a wait of the event loop or of a thread where the kernel offers that."""

from __future__ import annotations

import asyncio
import logging
import os

from podwire.kernel.disk_sync import DiskSync

log = logging.getLogger(__name__)


class WalSync:
    """Syncs one file that others write; raises OSError where it is not there."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._disk = _disk(self._file)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Future[None] | None = None

    async def sync(self) -> None:
        """Return when all is on the disk that was written before; one call at a time. Raises OSError."""
        if self._disk is None:
            await asyncio.to_thread(os.fdatasync, self._file)
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._disk.descriptor, self._finish, self._disk)
        if self._done is not None and not self._done.done():  # of a caller that was cancelled
            await asyncio.wait([self._done])
        self._done = self._loop.create_future()
        self._disk.begin()
        await asyncio.shield(self._done)

    def close(self) -> None:
        """Close the file."""
        if self._disk is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._disk.descriptor)
            self._disk.close()
        os.close(self._file)

    def _finish(self, disk: DiskSync) -> None:
        """Take the kernel's answer, always: an answer left unread would wake the event loop without end."""
        done = self._done
        try:
            disk.finish()
        except BlockingIOError:
            return
        except OSError as error:
            if done is not None and not done.done():
                done.set_exception(error)
        else:
            if done is not None and not done.done():
                done.set_result(None)


def _disk(file: int) -> DiskSync | None:
    """What syncs without a thread; None where the kernel has no such thing."""
    try:
        return DiskSync(file)
    except OSError as error:
        log.info("a thread waits for the disk: %s", error)
        return None
