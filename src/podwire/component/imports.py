"""Import a program without what costs it time: authorities of the Internet, and the collection of garbage."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator

_FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@contextlib.contextmanager
def without_authorities() -> Iterator[None]:
    """Let OpenSSL find no certificates of the machine's authorities inside the block.

    aiohttp makes a TLS context with all of them when it is imported, which takes 60 ms and is never used here: every
    client makes a context of its own from its credentials.
    """
    before = {name: os.environ.get(name) for name in _FILES}
    os.environ.update(dict.fromkeys(_FILES, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Collect no garbage inside the block, and none of what exists at its end ever after.

    Modules last as long as the process, and a collection of all generations visits 40,000 objects of them: 25 ms each.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
