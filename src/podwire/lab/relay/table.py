"""Which ports of the host are open for which Services: a file in the world's folder, read by `podwire status`.

The next process of a relay that died opens the same ports again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from podwire.lab.relay.forwards import Forward

FILE = "relay.json"


class Entry(msgspec.Struct, frozen=True):
    """Where a forward is on the host; an empty `host` means nowhere. `note` has the reason why it is not as desired."""

    forward: Forward
    host: str = ""
    port: int = 0
    note: str = ""


class PublishedEntry(msgspec.Struct, frozen=True):
    """A port of the host that `--publish` fixed, and where it forwards to; `note` is why it does not."""

    namespace: str
    name: str
    protocol: str
    port: int
    forward: Forward | None = None
    note: str = ""


class Table(msgspec.Struct, frozen=True):
    """Everything that is open. `subnet` is the second byte of the world's loopback addresses, 0 where it has none."""

    subnet: int = 0
    entries: tuple[Entry, ...] = ()
    published: tuple[PublishedEntry, ...] = ()


def read(folder: Path) -> Table:
    """The table of a world's folder; an empty one where no relay has written one."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Table)
    return Table()


def write(folder: Path, table: Table) -> None:
    """Replace the table. Raises OSError."""
    fresh = folder / f"{FILE}.new"
    fresh.write_bytes(msgspec.json.encode(table))
    fresh.rename(folder / FILE)


def previous(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Entries that were open, by the key of their forward."""
    return {entry.forward.key: entry for entry in entries if entry.host}
