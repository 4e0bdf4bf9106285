"""Kernel parameters that are written for a time: the values before are kept in a file, and can be restored.

The file is complete on disk before a parameter changes, so that nothing is lost at any death of the process. Parameters
have their defaults again after a restart of the machine: values of an earlier one are discarded.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.kernel import sysctl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FOLLOWERS: Mapping[str, tuple[str, ...]] = {"net/ipv4/ip_forward": ("net/ipv4/conf/all/accept_redirects",)}
"""Parameters that the kernel sets when another one is written (net/ipv4/devinet.c, inet_forward_change)."""


class WriteSysctls(Protocol):
    """Sets parameters, as `sysctl.write` does."""

    def __call__(self, values: Mapping[str, int | str], /) -> None:
        """Raises OSError that names the parameter."""
        ...


class _Change(msgspec.Struct):
    """A value before the first write, and the one that was written last."""

    before: str
    written: str


class _File(msgspec.Struct):
    boot: str
    changes: dict[str, _Change] = {}


class SysctlRecord:
    """The record in one file, of one network namespace. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def write(self, values: Mapping[str, int | str], /) -> None:
        """As `sysctl.write`, with the values before in the record. Raises OSError."""
        with self._lock:
            desired = {name: str(value) for name, value in values.items() if sysctl.read(name) != str(value)}
            if not desired:
                return
            record = self._read()
            for name, value in _with_followers(desired):
                known = record.changes.get(name)
                record.changes[name] = _Change(known.before if known else sysctl.read(name), value)
            self._save(record)
            sysctl.write(desired)

    def restore(self) -> list[str]:
        """Set each parameter to the value before, and delete the record; return the names of those that changed.

        One that has another value than was written was set by another program since, and a link's parameters may be
        gone with it: both remain as they are. Raises OSError.
        """
        with self._lock:
            changes = self._read().changes
            current = {name: value for name in changes if (value := _value(name)) is not None}
            restored = [name for name, value in current.items() if value == changes[name].written]
            for name in restored:
                sysctl.write({name: changes[name].before})
            self._path.unlink(missing_ok=True)
            return restored

    def _read(self) -> _File:
        """The record of this start of the machine."""
        boot = _BOOT.read_text().strip()
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except (FileNotFoundError, msgspec.DecodeError):
            return _File(boot)
        return found if found.boot == boot else _File(boot)

    def _save(self, record: _File) -> None:
        """Whole or not at all."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _with_followers(desired: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The parameters, each before those that follow it, which end with the value that they get from the kernel."""
    for name, value in desired.items():
        yield name, value
        for follower in _FOLLOWERS.get(name, ()):
            if follower not in desired:
                yield follower, "0" if value == "1" else "1"


def _value(name: str) -> str | None:
    try:
        return sysctl.read(name)
    except FileNotFoundError:
        return None
