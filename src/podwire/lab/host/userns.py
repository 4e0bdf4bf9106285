"""A user namespace for a world: whether the host allows one is found by making one, never by reading settings."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT_RANGE_START = 1_879_048_192
"""Where root maps the world's other users: far above any range that useradd or systemd hands out."""

RANGE_SIZE = 65_535

REMEDY = {
    errno.ENOSPC: "user namespaces are switched off: 'sysctl -w user.max_user_namespaces=15000' (as root) allows them",
    errno.EPERM: (
        "the host forbids user namespaces here (a chroot, a container's seccomp profile, or AppArmor on Ubuntu: "
        "'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' as root allows them); or start podwire as root"
    ),
    errno.EACCES: "the host takes the capabilities of new user namespaces away (AppArmor): start podwire as root, or "
    "'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0' as root",
    errno.EINVAL: "this process cannot make a user namespace while it has threads",
}


class UserNamespaceError(Exception):
    """The host forbids user namespaces. The text has the reason and the remedy."""


def refusal(number: int) -> UserNamespaceError:
    """The error for what unshare answered."""
    remedy = REMEDY.get(number, "see 'man 7 user_namespaces'")
    return UserNamespaceError(f"cannot make a user namespace: {os.strerror(number)}: {remedy}")


@dataclass(frozen=True, slots=True)
class IdMap:
    """The map of the world's ids to the host's: lines of (inside, outside, count)."""

    users: tuple[tuple[int, int, int], ...]
    groups: tuple[tuple[int, int, int], ...]

    @property
    def full(self) -> bool:
        """Whether pods can have users other than root."""
        return len(self.users) > 1 and len(self.groups) > 1


def choose_map(uid: int, gid: int, subordinate: tuple[int | None, int | None]) -> IdMap:
    """`0 -> caller`, and 1-65535 -> the subordinate range where there is one for users and for groups.

    `subordinate` is the first id of the range for users and for groups.
    """
    users: list[tuple[int, int, int]] = [(0, uid, 1)]
    groups: list[tuple[int, int, int]] = [(0, gid, 1)]
    first_user, first_group = subordinate
    if first_user is not None and first_group is not None:
        users.append((1, first_user, RANGE_SIZE))
        groups.append((1, first_group, RANGE_SIZE))
    return IdMap(tuple(users), tuple(groups))


def subordinate_ranges(name: str, uid: int, subuid: str, subgid: str) -> tuple[int | None, int | None]:
    """The caller's ranges in the texts of /etc/subuid and /etc/subgid; None where there is none large enough."""
    return _first_range(name, uid, subuid), _first_range(name, uid, subgid)


def _first_range(name: str, uid: int, text: str) -> int | None:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) != 3 or fields[0] not in {name, str(uid)}:
            continue
        if fields[1].isdecimal() and fields[2].isdecimal() and int(fields[2]) >= RANGE_SIZE:
            return int(fields[1])
    return None


def available_map() -> IdMap:
    """The best map that this caller can have on this host."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return choose_map(uid, gid, _root_ranges())
    if shutil.which("newuidmap") is None or shutil.which("newgidmap") is None:
        return choose_map(uid, gid, (None, None))
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return choose_map(uid, gid, subordinate_ranges(name, uid, _read("/etc/subuid"), _read("/etc/subgid")))


def _root_ranges() -> tuple[int | None, int | None]:
    """The fixed high range; none inside another user namespace that does not map it."""
    first = ROOT_RANGE_START if _mapped("/proc/self/uid_map", ROOT_RANGE_START) else None
    group = ROOT_RANGE_START if _mapped("/proc/self/gid_map", ROOT_RANGE_START) else None
    return first, group


def _mapped(path: str, first: int) -> bool:
    for line in _read(path).splitlines():
        start, _, count = map(int, line.split())
        if start <= first and first + RANGE_SIZE <= start + count:
            return True
    return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def write_maps(pid: int, id_map: IdMap) -> None:
    """Give the user namespace of this process its ids; called from outside of it.

    Raises OSError, and UserNamespaceError where newuidmap refuses.
    """
    if os.geteuid() == 0:
        Path(f"/proc/{pid}/uid_map").write_text(_lines(id_map.users))
        Path(f"/proc/{pid}/gid_map").write_text(_lines(id_map.groups))
    elif id_map.full:
        _map("newuidmap", pid, id_map.users)
        _map("newgidmap", pid, id_map.groups)
    else:
        Path(f"/proc/{pid}/setgroups").write_text("deny")
        Path(f"/proc/{pid}/uid_map").write_text(_lines(id_map.users))
        Path(f"/proc/{pid}/gid_map").write_text(_lines(id_map.groups))


def _map(program: str, pid: int, entries: tuple[tuple[int, int, int], ...]) -> None:
    """Run newuidmap or newgidmap. Raises UserNamespaceError with its message."""
    words = [str(number) for entry in entries for number in entry]
    result = subprocess.run([program, str(pid), *words], capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserNamespaceError(
            f"{program}: {result.stderr.strip() or f'exit status {result.returncode}'}; see that the uidmap package is "
            "whole (its programs need their setuid bit) and that /etc/subuid and /etc/subgid give this user a range"
        )


def _lines(entries: tuple[tuple[int, int, int], ...]) -> str:
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in entries)
