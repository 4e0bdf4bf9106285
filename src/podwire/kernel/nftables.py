"""nftables by text through libnftables, in this process.

One call of `run` is one transaction: all of it is applied, or none of it. Source: libnftables(3).
"""

from __future__ import annotations

import ctypes
import threading
from typing import Protocol

from podwire.kernel import memory

_ONE_AT_A_TIME = threading.Lock()
"""libnftables and what it calls (getprotobyname(3) among others) keep static data: its contexts share them."""


class NftablesError(Exception):
    """The kernel or the parser refused a transaction; nothing of it is applied."""


class NftablesMissingError(Exception):
    """The library is not on this machine."""

    def __init__(self) -> None:
        super().__init__("libnftables.so.1 is missing: install it with 'apt-get install nftables'")


class Transactions(Protocol):
    """What sinks need of nftables; tests use a fake."""

    def run(self, text: str) -> str:
        """Run one transaction and answer its output."""
        ...

    def release(self) -> None:
        """Free what is remembered of the kernel's tables; it is read again when it is needed."""
        ...


class Nftables:
    """A libnftables context in the network namespace that this thread was in when it was made.

    Each call opens its own netlink socket, so use an instance only in the namespace that it was made in.
    """

    def __init__(self) -> None:
        self._library = _load()
        self._context: int | None = None
        self._open()

    def run(self, text: str) -> str:
        """Run nft commands as one transaction; return what they print. Blocks. Raises NftablesError."""
        with _ONE_AT_A_TIME:
            result = self._library.nft_run_cmd_from_buffer(self._context, text.encode())
            output = self._library.nft_ctx_get_output_buffer(self._context)
            error = self._library.nft_ctx_get_error_buffer(self._context)
        if result != 0:
            raise NftablesError(error.decode("utf-8", "replace").strip() or "nftables refused a transaction")
        return str(output.decode())

    def release(self) -> None:
        """Free what the context remembers of the tables, half a megabyte for each, and what a call left over."""
        with _ONE_AT_A_TIME:
            self.close()
            self._open()
        memory.release()

    def close(self) -> None:
        """Free the context; the instance must not be used afterwards."""
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None

    def _open(self) -> None:
        self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise NftablesError("libnftables could not make a context")
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError:
        raise NftablesMissingError from None
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_free.argtypes = [ctypes.c_void_p]
    library.nft_ctx_buffer_output.argtypes = [ctypes.c_void_p]
    library.nft_ctx_buffer_error.argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        function = getattr(library, name)
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    return library


def available() -> bool:
    """Whether libnftables can be loaded."""
    try:
        _load()
    except NftablesMissingError:
        return False
    return True
