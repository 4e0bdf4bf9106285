"""Build products by content: one folder a product, made once for the same inputs, beside the tree and not in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

KEY_LENGTH = 16


def root() -> Path:
    """Where products are kept: `podwire/conformance` below XDG_CACHE_HOME, else below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "podwire", "conformance")


def key(*inputs: str | bytes) -> str:
    """A digest of all inputs, each with its length, so that no two lists of inputs are alike."""
    digest = hashlib.sha256()
    for part in inputs:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:KEY_LENGTH]


def product(name: str, inputs: str, make: Callable[[Path], None]) -> Path:
    """The folder `NAME-KEY`, made by `make(folder)` where it is missing. Products of the same name with another key go.

    A make that fails, or is interrupted, leaves nothing.
    """
    ready = root() / f"{name}-{inputs}"
    if ready.is_dir():
        return ready
    root().mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root()))
    try:
        make(draft)
        draft.chmod(0o755)
        draft.rename(ready)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    for old in root().glob(f"{name}-{'[0-9a-f]' * KEY_LENGTH}"):
        if old != ready:
            shutil.rmtree(old, ignore_errors=True)
    return ready
