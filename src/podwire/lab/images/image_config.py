"""The configuration of an image (ENTRYPOINT, CMD, USER, ENV, STOPSIGNAL) and how a pod overrides it. Pure.

Sources: "Define a Command and Arguments for a Container" on kubernetes.io; OCI image specification 1.1 (`config.md`);
containerd `internal/cri/server/container_create.go`; github.com/moby/sys `signal` (the names of STOPSIGNAL).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

import msgspec

from podwire.kube.numbers import read_number
from podwire.lab.container import passwd
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.images.manifest import RunConfig
from podwire.lab.images.store import StoredImage

_REAL_TIME = re.compile(r"(RTMIN\+|RTMAX-)([0-9]{1,2})")


class ImageUser(msgspec.Struct, frozen=True):
    """The user of the image's processes. `name` is empty where it gave a number, or nothing."""

    user: int
    group: int
    groups: tuple[int, ...]
    name: str = ""


def arguments(config: RunConfig, command: Sequence[str], args: Sequence[str]) -> tuple[str, ...]:
    """What to run: `command` takes the place of ENTRYPOINT and CMD, `args` alone that of CMD. Empty: nothing to run."""
    if command:
        return (*command, *args)
    return (*(config.entrypoint or ()), *(args or config.cmd or ()))


def environment(config: RunConfig) -> dict[str, str]:
    """The image's variables."""
    return dict(entry.split("=", 1) for entry in config.env or () if "=" in entry)


def stop_signal(config: RunConfig) -> int:
    """Return the image's stop signal; SIGTERM if it names none, or one that does not exist."""
    text = config.stop_signal.strip().upper()
    number = read_number(text, 2)
    if number is None:
        number = _named_signal(text.removeprefix("SIG"))
    return number if number in signal.valid_signals() else int(signal.SIGTERM)


def _named_signal(name: str) -> int:
    """A signal's number by its name, or by its place among the real-time ones (`RTMIN+3`); 0 for what is no name."""
    if place := _REAL_TIME.fullmatch(name):
        number = signal.SIGRTMIN + int(place[2]) if place[1] == "RTMIN+" else signal.SIGRTMAX - int(place[2])
        return number if signal.SIGRTMIN <= number <= signal.SIGRTMAX else 0
    return int(signal.Signals.__members__.get(f"SIG{name}", 0))


def image_user(image: StoredImage) -> ImageUser:
    """The image's USER: name or number, with a group after a colon. Raises ConfigurationError for a name it lacks."""
    user, _, group = image.config.user.partition(":")
    number = passwd.number(user or "0")
    if number is not None:
        found = by_number(image, number)
    else:
        number = passwd.user_number(image.passwd, user)
        if number is None:
            raise ConfigurationError(f"unable to find user {user}: no matching entries in the image's /etc/passwd")
        numbered = by_number(image, number)
        found = ImageUser(numbered.user, numbered.group, numbered.groups, user)
    return ImageUser(found.user, _group(image, group), found.groups, found.name) if group else found


def by_number(image: StoredImage, user: int) -> ImageUser:
    """A user of the image by number, with the groups that the image's files give it."""
    name = passwd.user_name(image.passwd, user)
    groups = passwd.member_groups(image.group, name) if name else ()
    return ImageUser(user, passwd.primary_group(image.passwd, user), groups)


def _group(image: StoredImage, text: str) -> int:
    number = passwd.number(text)
    if number is None:
        number = passwd.group_number(image.group, text)
    if number is None:
        raise ConfigurationError(f"unable to find group {text}: no matching entries in the image's /etc/group")
    return number
