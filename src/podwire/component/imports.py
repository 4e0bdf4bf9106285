"""Import a program without what costs it time: authorities of the Internet, and later collections of garbage."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_CONTEXTS = "aiohttp.connector"


class _Finder:
    """Finds the one module that makes TLS contexts when it is imported, and imports it without authorities."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of this module, None for every other (importlib.abc.MetaPathFinder)."""
        spec = PathFinder.find_spec(name, path, target) if name == _CONTEXTS else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def quickly(module: ModuleType) -> None:
                with without_authorities():
                    execute(module)

            spec.loader.exec_module = quickly  # type: ignore[method-assign]
        return spec


def leave_out_authorities() -> None:
    """Let this process import aiohttp, whenever it does, without the machine's authorities.

    aiohttp makes two TLS contexts with all of them when it is imported, which takes 60 ms, a third of a short command.
    Every client here makes a context of its own, of its credentials or of these authorities.
    """
    if _CONTEXTS not in sys.modules:
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def without_authorities() -> Iterator[None]:
    """Let OpenSSL find no certificates of the machine's authorities inside the block."""
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


COLLECT_AFTER = 10_000
"""Objects after which garbage is looked for while modules are imported: they leave little."""


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Leave all that exists at the end of the block out of later collections of garbage.

    Modules last as long as the process, and each full collection would visit their 40,000 objects: 25 ms. Inside the
    block garbage is collected seldom, which spares a start a twentieth of its imports' time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], COLLECT_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
    gc.freeze()
