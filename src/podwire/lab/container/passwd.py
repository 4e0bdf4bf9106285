"""The users of a container: the host's system accounts by name and number, without passwords, people or secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from podwire.kube.numbers import read_number

FIRST_PERSON = 1000
LONGEST_NUMBER = 10
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
    return next((number(fields[3]) or 0 for fields in _entries(passwd, 7) if fields[2] == str(user)), 0)


def user_number(passwd: str, name: str) -> int | None:
    """The number of a user by name; None where the file does not know it."""
    return next((number(fields[2]) for fields in _entries(passwd, 7) if fields[0] == name), None)


def user_name(passwd: str, user: int) -> str:
    """The name of a user by number; empty where the file does not know it."""
    return next((fields[0] for fields in _entries(passwd, 7) if fields[2] == str(user)), "")


def group_number(group: str, name: str) -> int | None:
    """The number of a group by name; None where the file does not know it."""
    return next((number(fields[2]) for fields in _entries(group, 4) if fields[0] == name), None)


def member_groups(group: str, user: str) -> tuple[int, ...]:
    """The numbers of the groups that name a user as a member."""
    found = (number(fields[2]) for fields in _entries(group, 4) if user in fields[3].split(","))
    return tuple(one for one in found if one is not None)


def number(text: str) -> int | None:
    """A user's or group's number as files and images write it; None for any other text."""
    return read_number(text, LONGEST_NUMBER)


def _entries(text: str, fields: int) -> Iterator[list[str]]:
    """The lines of a passwd or group file that have as many fields as they should."""
    return (parts for line in text.splitlines() if len(parts := line.split(":")) == fields)


def home(passwd: str, user: int) -> str:
    """The home folder of a user by number, "/" for one that has no entry."""
    return next((fields[5] for fields in _entries(passwd, 7) if fields[2] == str(user)), "/")


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
