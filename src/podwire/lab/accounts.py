"""The users of a container: the host's system accounts by name and number, without passwords, people or secrets."""

from __future__ import annotations

from pathlib import Path

FIRST_PERSON = 1000
"""Debian and most others give people numbers from here on (login.defs UID_MIN)."""
NOBODY = 65534

FALLBACK_USERS = "root:*:0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
FALLBACK_GROUPS = "root:*:0:\ntty:*:5:\nnogroup:*:65534:\n"


def system_accounts(text: str, *, number_field: int = 2) -> str:
    """The lines of a passwd or group file whose number is a system account's; passwords and comments are cut out."""
    kept = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) <= number_field or not fields[number_field].isdigit():
            continue
        number = int(fields[number_field])
        if number < FIRST_PERSON or number == NOBODY:
            kept.append(":".join(_clean(fields)))
    return "".join(f"{line}\n" for line in kept)


def _clean(fields: list[str]) -> list[str]:
    name, _, *rest = fields
    if len(fields) == 7:  # passwd: name, password, uid, gid, comment, home, shell
        rest[2] = name
    elif len(fields) == 4:  # group: name, password, gid, members
        rest[1] = ""
    return [name, "*", *rest]


def etc_passwd() -> str:
    """/etc/passwd of containers on this host."""
    return system_accounts(_read("/etc/passwd")) or FALLBACK_USERS


def etc_group() -> str:
    """/etc/group of containers on this host."""
    return system_accounts(_read("/etc/group")) or FALLBACK_GROUPS


def primary_group(passwd: str, user: int) -> int:
    """The group of a user by number; 0 for one that has no entry, as container runtimes have it."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2] == str(user):
            return int(fields[3])
    return 0


def home(passwd: str, user: int) -> str:
    """The home folder of a user by number, "/" for one that has no entry."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[2] == str(user):
            return fields[5]
    return "/"


def mapped(id_map: str, number: int) -> bool:
    """Whether an id exists in a user namespace; `id_map` is the text of its uid_map or gid_map."""
    for line in id_map.splitlines():
        first, _, count = map(int, line.split())
        if first <= number < first + count:
            return True
    return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
