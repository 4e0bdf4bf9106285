"""busybox's programs by their names: a folder of links that a node makes once, for the containers' PATH.

busybox is one file; the name by which it is called selects the program (busybox(1)). Distributions build it with fewer
options than the published image has; scripts in `applets/` take the place of those programs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from podwire.lab.container.plan import Mount

FOLDER = "/.busybox"
"""Where a container has the links. No volume lies above it, so nothing has to be made in anybody's volume."""

LACKING: Mapping[str, str] = MappingProxyType(
    {"nc": "-z", "netstat": "-p\t", "nslookup": "", "timeout": "-t SECS", "wget": "-T SEC"}
)
"""Programs with a script in their place, and what the usage text of one that needs none has; empty: all need it.

Debian 12 builds wget without -T (which ends in a segmentation fault), nc without -z, -v, -n and -u, netstat without -p.
"""
DATAGRAMS = ".nc-datagrams"
"""What `nc.sh` runs with bash for -u."""


def replaced(names: Iterable[str], usage: Callable[[str], str]) -> list[str]:
    """Return the programs whose scripts are needed, by the usage texts of busybox's own."""
    lacking = []
    for name in sorted(LACKING.keys() & set(names)):
        mark = LACKING[name]
        if not mark or mark not in usage(name):
            lacking.append(name)
    return lacking


def provide(folder: Path, busybox: str, names: Iterable[str], scripts: Iterable[str] = ()) -> None:
    """Make the links to a file that every container sees, and the scripts of these programs. Existing links stay."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    sources = resources.files("podwire.lab.images").joinpath("applets")
    for name in scripts:
        _write(folder / name, sources.joinpath(f"{name}.sh").read_text())
        if name == "nc":
            _write(folder / DATAGRAMS, sources.joinpath("nc_datagrams.bash").read_text())
    for name in (*names, "busybox"):
        with contextlib.suppress(FileExistsError):
            os.symlink(busybox, folder / name)


def _write(path: Path, text: str) -> None:
    """Replace a script, which containers may be running."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.replace(path)


def mount(folder: str) -> Mount:
    """The links in a container, which cannot change them."""
    return Mount(source=folder, target=FOLDER, read_only=True)


def path(default: str, *, first: bool) -> str:
    """The PATH of a container that has the links, before what it has without them, or after it."""
    return f"{FOLDER}:{default}" if first else f"{default}:{FOLDER}"
