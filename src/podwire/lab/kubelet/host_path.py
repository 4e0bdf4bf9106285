"""What a hostPath volume of `/` shows: a tree that `chroot` can enter, with the machine's programs.

A node of a world has no files of its own. The tree has what a container sees too, and nothing that is anybody's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from podwire.lab.container.passwd import etc_group, etc_passwd
from podwire.lab.container.plan import Mount
from podwire.lab.container.rootfs import SYSTEM_FOLDERS

PROGRAMS = "/usr"
EMPTY_FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var")


def provide(folder: Path, node: str) -> None:
    """Make the tree, but for the programs themselves. It appears when it is whole."""
    if folder.exists():
        return
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    _make(fresh, node)
    fresh.rename(folder)


def _make(folder: Path, node: str) -> None:
    for name in EMPTY_FOLDERS:
        (folder / name).mkdir(parents=True)
    for name in SYSTEM_FOLDERS:
        host = f"/{name}"
        if os.path.islink(host):
            (folder / name).symlink_to(os.readlink(host))
        elif os.path.isdir(host):
            (folder / name).mkdir()
    (folder / "etc" / "hostname").write_text(f"{node}\n")
    (folder / "etc" / "passwd").write_text(etc_passwd())
    (folder / "etc" / "group").write_text(etc_group())
    if os.path.exists("/usr/lib/os-release"):
        (folder / "etc" / "os-release").symlink_to("../usr/lib/os-release")


def mounts(folder: Path, target: str) -> Iterable[Mount]:
    """The tree at a path of a container, all of it read-only."""
    yield Mount(source=str(folder), target=target, read_only=True)
    real = (name for name in SYSTEM_FOLDERS if os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}"))
    for name in (PROGRAMS.strip("/"), *real):
        yield Mount(source=f"/{name}", target=f"{target.rstrip('/')}/{name}", read_only=True)
