"""Control groups of version 1: a folder for each host in every hierarchy, which is the root of the host's own view.

Two kubelets need two roots, since each owns a folder `kubepods`. Source: cgroups(7), cgroup_namespaces(7).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
REMOVAL_SECONDS = 10.0
_POLL_SECONDS = 0.05
_CPUSET = ("cpuset.cpus", "cpuset.mems")  # empty in a new folder, which then takes no process


class NoHierarchiesError(Exception):
    """The machine has no cgroup hierarchies that a node can use. The text has the remedy."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy: where, and the options that mount it again."""

    path: Path
    options: str


def hierarchies(mounts: str) -> tuple[Hierarchy, ...]:
    """The hierarchies of version 1 in a text such as that of /proc/self/mounts. Raises NoHierarchiesError."""
    found = []
    for line in mounts.splitlines():
        _, path, kind, options = line.split()[:4]
        if kind == "cgroup":
            named = [
                option for option in options.split(",") if option not in ("rw", "relatime", "nosuid", "nodev", "noexec")
            ]
            found.append(Hierarchy(Path(path), ",".join(["none", *named] if named[0].startswith("name=") else named)))
    if not found:
        raise NoHierarchiesError(
            "nodes are placed in cgroup hierarchies of version 1, and none is mounted at /sys/fs/cgroup: "
            "start the kernel with systemd.unified_cgroup_hierarchy=0, or use a machine that has them"
        )
    return tuple(found)


def folder(cluster: str) -> str:
    """The cluster's folder in each hierarchy."""
    return f"podwire-cluster-{cluster}"


def create(cluster: str, hosts: Iterable[str]) -> None:
    """Make the folders of all hosts. Raises NoHierarchiesError."""
    for hierarchy in hierarchies(MOUNTS.read_text()):
        for path in (folder(cluster), *(f"{folder(cluster)}/{host}" for host in hosts)):
            made = hierarchy.path / path
            made.mkdir(exist_ok=True)
            for setting in _CPUSET:
                inherited = made.parent / setting
                if inherited.exists():
                    made.joinpath(setting).write_text(inherited.read_text())


def inside(cluster: str, host: str, words: Sequence[str]) -> list[str]:
    """The command with a shell before it that moves into the host's folders and becomes the command."""
    found = hierarchies(MOUNTS.read_text())
    files = " ".join(str(hierarchy.path / folder(cluster) / host / "cgroup.procs") for hierarchy in found)
    return ["sh", "-c", f'for file in {files}; do echo 0 >"$file"; done; exec "$@"', "sh", *words]


def remove(cluster: str) -> None:
    """Remove the cluster's folders once its processes have ended. Raises OSError where some do not end."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    for hierarchy in hierarchies(MOUNTS.read_text()):
        top = hierarchy.path / folder(cluster)
        while top.exists():
            try:
                _remove_tree(top)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)


def _remove_tree(top: Path) -> None:
    """rmdir from the leaves up; the files of a cgroup go with its folder."""
    for path, _, _ in os.walk(top, topdown=False):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(path)
