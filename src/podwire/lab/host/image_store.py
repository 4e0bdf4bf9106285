"""The store from the host's side: each change is made as root of the ids that this user's worlds have."""

from __future__ import annotations

import io
import os
import resource
from pathlib import Path

from podwire.lab.base import paths
from podwire.lab.host import userns_exec
from podwire.lab.images import loading, removal, store
from podwire.lab.images.errors import ImageError
from podwire.lab.images.loading import Loaded
from podwire.lab.images.removal import Removed

MEMORY = 2 * 1024**3
"""Bytes that reading an archive may take beyond what this process has: no header of it can allocate more."""


def load(source: io.BufferedReader, name: str, tags: tuple[str, ...]) -> list[Loaded]:
    """Load an archive into this user's store. Raises ImageError and UserNamespaceError."""

    def work() -> list[Loaded]:
        _bound_memory()
        return loading.load(_store(), source, name, tags)

    return userns_exec.run(work, list[Loaded], ImageError)


def remove(name: str) -> Removed:
    """Remove a name or an image from this user's store. Raises ImageError and UserNamespaceError."""
    return userns_exec.run(lambda: removal.remove(_store(), name), Removed, ImageError)


def _store() -> store.Store:
    return store.Store(paths.images())


def _bound_memory() -> None:
    now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))
