"""The plugin `hosts`: addresses and names from the Corefile and from a file that is read again when it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from podwire.dns.corefile.hosts import HostsSettings, HostTable, file_entries, host_table
from podwire.dns.corefile.kubernetes import covered
from podwire.dns.message import QUESTION_POINTER, Query, Rcode, Response, record
from podwire.dns.outcome import Found
from podwire.dns.records import RecordType

log = logging.getLogger(__name__)

LARGEST_FILE = 8 << 20


class HostsSource:
    """Answers A, AAAA and PTR questions from a table; `changed` is called when the file has other entries."""

    def __init__(self, settings: HostsSettings, changed: Callable[[], None], *, turned: bool) -> None:
        self._settings = settings
        self._turned = turned
        self._changed = changed
        self._stamp: tuple[int, int] | None = None
        self._table: HostTable = host_table(settings.entries)
        if settings.file:
            self._read()

    async def follow(self) -> None:
        """Look at the file from time to time, until cancelled."""
        while self._settings.file and self._settings.reload:
            await asyncio.sleep(max(self._settings.reload, 1.0))
            if self._read():
                self._changed()

    def answer(self, query: Query, client: str) -> Found:  # noqa: ARG002 of all plugins
        """The records; NODATA for another type of a known name; None for names that are not known here."""
        if not covered(query.key, self._settings.zones):
            return None
        if query.type == RecordType.PTR and self._settings.reverse:
            names = self._table.names.get(query.key)
            if names is not None:
                return self._response(RecordType.PTR, names)
        addresses = self._table.addresses.get(query.key)
        if addresses is None:
            unknown = self._settings.fallthrough and covered(query.key, self._settings.fallthrough)
            # CoreDNS too goes on for names of which it knows nothing, where it may.
            return None if unknown else Response(Rcode.NXDOMAIN, authoritative=True)
        version = {RecordType.A: 4, RecordType.AAAA: 6}.get(RecordType(query.type)) if query.type in _TYPES else None
        return self._response(query.type, tuple(one.packed for one in addresses if one.version == version))

    def _response(self, kind: int, data: tuple[bytes, ...]) -> Response:
        records = tuple(record(QUESTION_POINTER, kind, self._settings.ttl, one) for one in data)
        return Response(answer=records, authoritative=True, turned=self._turned)

    def _read(self) -> bool:
        """Read the file, if it changed. One that cannot be read leaves the entries that it had."""
        try:
            path = Path(self._settings.file)
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return False
            # To read a pipe would stop all answers.
            readable = path.is_file() and found.st_size <= LARGEST_FILE
            text = path.read_text(errors="replace") if readable else ""
        except OSError as error:
            if self._stamp is None:
                log.warning("hosts: %s is not read: %s", self._settings.file, error.strerror)
                self._stamp = (0, 0)
            return False
        self._stamp = stamp
        self._table = host_table((*self._settings.entries, *file_entries(text)))
        return True


_TYPES = frozenset({RecordType.A, RecordType.AAAA})
