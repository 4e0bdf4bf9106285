"""Corefiles in turn: each is read and tried; one that cannot be used changes nothing, and is reported."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping

from podwire.dns.corefile.configuration import Configuration, configuration
from podwire.dns.corefile.tokens import CorefileError

log = logging.getLogger(__name__)

REJECTED, APPLIED = "CorefileRejected", "CorefileApplied"
"""Reasons of events."""

Report = Callable[[str, str, bool], None]
"""Takes the reason and text of an event, and whether it is a warning."""


class Reloader:
    """Uses the newest Corefile. The first one is used in any case, later ones where the present one has `reload`."""

    def __init__(self, port: int, apply: Callable[[Configuration], Awaitable[None]], report: Report) -> None:
        self.failures = 0
        """How many Corefiles were rejected."""
        self.rejected = ""
        """Why the newest one was; empty where it is used."""
        self._port = port
        self._apply = apply
        self._report = report
        self._present: tuple[str, Mapping[str, str]] | None = None
        self._refused: tuple[str, Mapping[str, str]] | None = None
        self._reloads = True
        self._next: tuple[str, Mapping[str, str]] | None = None
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def use(self, text: str, files: Mapping[str, str]) -> None:
        """Use a Corefile now. Raises CorefileError, and ValueError or OSError for what it names and cannot be used."""
        await self._apply(configuration(text, self._port, files, os.environ))
        self._present = (text, files)

    def changed(self, text: str, files: Mapping[str, str]) -> None:
        """Use this Corefile soon."""
        self._next = (text, files)
        self._idle.clear()
        self._wake.set()

    def retry(self) -> None:
        """Try the newest Corefile again, where it was rejected: what it needs may be there now."""
        if self._refused is not None and self._next is None:
            self.changed(*self._refused)

    async def idle(self) -> None:
        """Wait until the newest Corefile is used or rejected."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        first = True
        while True:
            await self._wake.wait()
            self._wake.clear()
            newest, self._next = self._next, None
            if newest is not None and (first or self._reloads):
                await self._reload(*newest, first=first)
                first = False
            elif newest is not None:
                log.warning("the Corefile changed, and is used after a restart: the present one has no 'reload'")
            if self._next is None:
                self._idle.set()

    async def _reload(self, text: str, files: Mapping[str, str], *, first: bool) -> None:
        self._refused = None  # `retry` must not put it in the place of this newer one
        if (text, files) == self._present or (first and self._present is not None and text == self._present[0]):
            self._present, self.rejected = (text, files), ""
            return
        try:
            found = configuration(text, self._port, files, os.environ)
            await self._apply(found)
        except (CorefileError, ValueError, OSError) as error:
            self.failures += 1
            self.rejected, self._refused = str(error), (text, files)
            log.error("the Corefile is rejected, and the last good one stays: %s", error)  # noqa: TRY400 no fault of ours
            self._report(REJECTED, f"{error}; the last good configuration stays", True)
            return
        self._present, self._reloads, self.rejected = (text, files), bool(found.reload_seconds), ""
        log.info("the Corefile is used: %d server blocks", len(found.blocks))
        if not first:
            self._report(APPLIED, f"the Corefile is used: {len(found.blocks)} server blocks", False)
