"""Linux capabilities of containers: the default set of container runtimes, and how a process takes on a set.

Sources: capabilities(7), capget(2); OCI runtime defaults as in containerd `oci/spec.go`. Inheritable is empty, as
since CVE-2022-24769; ambient is empty, as runtimes have it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from podwire.kernel import namespaces

IN_ORDER = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
"""The kernel's capabilities, from number 0."""

OF_RUNTIMES = """
CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL
AUDIT_WRITE
"""

NUMBERS = {name: number for number, name in enumerate(IN_ORDER.split())}
DEFAULT = frozenset(OF_RUNTIMES.split())

GRANTABLE = DEFAULT | {
    "NET_ADMIN",
    "NET_BROADCAST",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_PTRACE",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",  # no effect in a user namespace; node exporters add it
}
"""What a pod may request. The rest could undo the read-only root, and with it the host's protection."""

_VERSION_3 = 0x20080522


class CapabilityError(Exception):
    """A pod adds a capability that does not exist or that a world does not allow."""


def choose(add: Iterable[str], drop: Iterable[str]) -> frozenset[str]:
    """The set after `securityContext.capabilities`: drop first, then add, as upstream; ALL means all.

    Raises CapabilityError.
    """
    dropped = {_plain(name) for name in drop}
    kept = frozenset() if "ALL" in dropped else DEFAULT - dropped
    added = {_plain(name) for name in add}
    if "ALL" in added:
        return GRANTABLE
    for name in sorted(added - GRANTABLE):
        known = "is not given in a world: it could undo the container's isolation" if name in NUMBERS else "is unknown"
        raise CapabilityError(
            f"securityContext.capabilities.add: {name} {known}; remove it, or use one of {', '.join(sorted(GRANTABLE))}"
        )
    return kept | added


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def bits(names: Iterable[str]) -> int:
    """The set as the kernel writes it in /proc/PID/status."""
    return sum(1 << NUMBERS[name] for name in names)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)


def bound(names: Collection[str]) -> None:
    """Drop everything else from the bounding set, for this process and all that it ever starts."""
    keep = {NUMBERS[name] for name in names}
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for number in range(last + 1):
        if number not in keep:
            namespaces.prctl(namespaces.PR_CAPBSET_DROP, number)


def hold(names: Iterable[str]) -> None:
    """Make these the effective and permitted set of this thread; nothing is inheritable. They must be held already."""
    desired = bits(names)
    header = _Header(_VERSION_3, 0)
    data = (_Data * 2)()
    for index in (0, 1):
        word = (desired >> (32 * index)) & 0xFFFFFFFF
        data[index] = _Data(word, word, 0)
    if _libc.capset(ctypes.byref(header), ctypes.byref(data)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
