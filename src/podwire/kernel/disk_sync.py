"""fdatasync(2) that does not wait: a descriptor becomes readable when a file's data is on the disk.

A thread that waits would fight for the interpreter with the thread that works, twice for each call. Source:
io_submit(2) with IOCB_CMD_FDSYNC, linux/aio_abi.h; numbers of system calls: arch/x86/entry/syscalls/syscall_64.tbl
and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform

_FDSYNC = 3
_SAY_BY_DESCRIPTOR = 1
_GENERIC = (0, 1, 2, 4)
_CALLS = {"x86_64": (206, 207, 209, 208), "aarch64": _GENERIC, "riscv64": _GENERIC}
"""By machine: io_setup, io_destroy, io_submit, io_getevents."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Request(ctypes.Structure):
    """`struct iocb` of a little-endian machine."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("file", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64),
        ("bytes", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("eventfd", ctypes.c_uint32),
    )


class _Outcome(ctypes.Structure):
    """`struct io_event`."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("request", ctypes.c_uint64),
        ("result", ctypes.c_int64),
        ("result2", ctypes.c_int64),
    )


class DiskSync:
    """Syncs one file, one call at a time: `begin`, wait until `descriptor` is readable, `finish`.

    Raises OSError where this machine's kernel does not offer it.
    """

    def __init__(self, file: int) -> None:
        calls = _CALLS.get(platform.machine())
        if calls is None:
            raise OSError(f"asynchronous fdatasync is not known for {platform.machine()}")
        self._setup, self._destroy, self._submit, self._outcomes = calls
        self._context = ctypes.c_ulong(0)
        _call(self._setup, 1, ctypes.byref(self._context))
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._request = _Request(opcode=_FDSYNC, file=file, flags=_SAY_BY_DESCRIPTOR, eventfd=self.descriptor)
        self._list = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))

    def begin(self) -> None:
        """Ask for all that was written to the file until now; raises OSError."""
        _call(self._submit, self._context, 1, self._list)

    def finish(self) -> None:
        """Take the answer; raises OSError where the disk refused, BlockingIOError where there is none yet."""
        os.eventfd_read(self.descriptor)
        outcome = _Outcome()
        _call(self._outcomes, self._context, 1, 1, ctypes.byref(outcome), None)
        if outcome.result < 0:
            raise OSError(-outcome.result, f"fdatasync: {os.strerror(-outcome.result)}")

    def close(self) -> None:
        """Let all go; waits for a call that is on its way."""
        with contextlib.suppress(OSError):
            _call(self._destroy, self._context)
        os.close(self.descriptor)


def _call(number: int, *arguments: object) -> None:
    if _libc.syscall(ctypes.c_long(number), *arguments) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"asynchronous fdatasync: {os.strerror(error)}")
