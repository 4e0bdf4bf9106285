"""Linux namespaces: make them, pin them to a file, enter them. Calls libc, as Python 3.11 has no wrappers.

Sources: unshare(2), setns(2), mount(2), pivot_root(2), capabilities(7), prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_SET_PDEATHSIG = 1

_SYS_PIVOT_ROOT_X86_64 = 155
_SYS_PIVOT_ROOT_GENERIC = 41

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Give this thread new namespaces of the kinds in flags."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int = 0) -> None:
    """Move this thread into the namespace that the descriptor refers to."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, filesystem: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a filesystem or bind a path; an empty filesystem or data is passed as NULL."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        filesystem.encode() or None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {source} on {target}")


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2), detached by default: it ends when the last user is gone."""
    _check(_libc.umount2(target.encode(), flags), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Make new_root the root of this mount namespace and put the old one below it."""
    number = _SYS_PIVOT_ROOT_X86_64 if os.uname().machine == "x86_64" else _SYS_PIVOT_ROOT_GENERIC
    _check(_libc.syscall(number, new_root.encode(), put_old.encode()), f"pivot_root {new_root}")


def sethostname(name: str) -> None:
    """Set the name of this uts namespace."""
    raw = name.encode()
    _check(_libc.sethostname(raw, len(raw)), "sethostname")


def prctl(option: int, value: int = 0) -> None:
    """Change one property of this process; the options are those of the system call."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def set_process_name(name: str) -> None:
    """The name that ps and pgrep show for this thread, cut to 15 bytes by the kernel."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _check(_libc.prctl(PR_SET_NAME, buffer, 0, 0, 0), "prctl PR_SET_NAME")


def pin(namespace: str, target: Path) -> None:
    """Keep a namespace alive as a file: bind-mount it, such as /proc/self/ns/net, on target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()
    mount(namespace, str(target), flags=MS_BIND)


def new_network_namespace(target: Path) -> None:
    """Make an empty network namespace, bring nothing up in it, and pin it to target. The caller stays where it is."""
    with open("/proc/thread-self/ns/net") as home:
        unshare(CLONE_NEWNET)
        try:
            pin("/proc/thread-self/ns/net", target)
        finally:
            setns(home.fileno(), CLONE_NEWNET)


def remove_network_namespace(target: Path) -> None:
    """Undo new_network_namespace; the kernel destroys it when its last process and socket are gone."""
    with contextlib.suppress(OSError):
        unmount(str(target))
    target.unlink(missing_ok=True)


@contextlib.contextmanager
def inside_network(path: Path | str) -> Iterator[None]:
    """Run the block with this thread in the network namespace at path; sockets made in it stay there.

    Do not await inside the block: other tasks of the thread would run in that namespace too.
    """
    with open("/proc/thread-self/ns/net") as home, open(path) as there:
        setns(there.fileno(), CLONE_NEWNET)
        try:
            yield
        finally:
            setns(home.fileno(), CLONE_NEWNET)


def enter_network(path: Path | str) -> None:
    """Move this thread into the network namespace at path for good."""
    with open(path) as there:
        setns(there.fileno(), CLONE_NEWNET)
