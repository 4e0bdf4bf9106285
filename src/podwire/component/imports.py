"""Import a program without what costs it time: authorities of the Internet, and later collections of garbage."""

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
def lasting() -> Iterator[None]:
    """Leave all that exists at the end of the block out of later collections of garbage.

    Modules last as long as the process, and each full collection would visit their 40,000 objects: 25 ms. Inside the
    block garbage is collected as ever: without that an agent would take half a megabyte more.
    """
    yield
    gc.freeze()
