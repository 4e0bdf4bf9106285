"""hostPath volumes: where each path of a node comes from, what its type requires, and how it is mounted.

Sources: k8s.io/kubernetes `pkg/volume/hostpath/host_path.go`, whose messages these are; containerd makes a folder that
is missing where the type is empty, as is done here.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from podwire.kube.volumes import HostPathVolumeSource
from podwire.lab.container.plan import Mount
from podwire.lab.container.rootfs import DEVICES, SHARED_ETC, SYSTEM_FOLDERS
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.kubelet import node_files
from podwire.lab.kubelet.node_files import NodeFiles

KERNEL = {"/proc": "proc", "/sys": "sysfs"}
"""Shown as the container's own: its processes and its network, and no other's."""
PROGRAMS = ("/usr", *(f"/{name}" for name in SYSTEM_FOLDERS))
PUBLIC = (*(f"/etc/{name}" for name in SHARED_ETC), *(f"/dev/{name}" for name in DEVICES))
POD_LOGS, CONTAINER_LOGS = "/var/log/pods", "/var/log/containers"

_TYPES: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


class Location(msgspec.Struct, frozen=True):
    """Where a path of the node is: `beneath` the folder `source`, or a kernel file system of the container's own."""

    source: str = ""
    beneath: str = ""
    read_only: bool = True
    filesystem: str = ""

    def mount(self, target: str, sub_path: str = "", *, read_only: bool = False) -> Mount:
        """Return the mount of it at a path of a container."""
        return Mount(
            source=self.source,
            sub_path="/".join(part for part in (self.beneath, sub_path.strip("/")) if part),
            target=target,
            read_only=self.read_only or read_only,
            filesystem=self.filesystem,
        )


def locate(files: NodeFiles, path: str) -> Location:
    """Return where a path of the node is. Raises ConfigurationError for parts of /proc that show other processes."""
    path = posixpath.normpath(path)
    if path in KERNEL:
        return Location(filesystem=KERNEL[path])
    if _within(path, "/proc") and not _within(path, "/proc/sys"):
        raise ConfigurationError(f"hostPath {path}: use /proc itself, which shows the container's own processes")
    if _within(path, "/proc") or _within(path, "/sys"):
        return Location(path)
    if any(_within(path, folder) for folder in (*PROGRAMS, *PUBLIC)):
        real = os.path.realpath(path)
        if os.path.exists(real) and any(_within(real, folder) for folder in (*PROGRAMS, *PUBLIC)):
            return Location(real)
    for folder, logs in ((POD_LOGS, files.pod_logs), (CONTAINER_LOGS, files.container_logs)):
        if _within(path, folder):
            return Location(str(logs), path.removeprefix(folder).strip("/"))
    return Location(str(files.tree), path.strip("/"), read_only=path == "/")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def provide(files: NodeFiles, volume: HostPathVolumeSource) -> None:
    """Create what the volume's type allows, and check the rest. Raises ConfigurationError with upstream's message."""
    files.provide()
    place = locate(files, volume.path)
    mode = _mode(place)
    if mode is None and place.source == str(files.tree):
        _create(files, place.beneath, volume)
        mode = _mode(place)
    if not volume.type:
        if mode is None:
            raise ConfigurationError(f"hostPath {volume.path} does not exist on the node")
        return
    if volume.type not in _TYPES:
        raise ConfigurationError(f"hostPath type check failed: {volume.path}: unknown type {volume.type!r}")
    fits, noun = _TYPES[volume.type]
    if mode is None or not fits(mode):
        raise ConfigurationError(f"hostPath type check failed: {volume.path} is not {noun}")


def _mode(place: Location) -> int | None:
    if place.filesystem:
        return stat.S_IFDIR
    try:
        return (
            node_files.file_mode(Path(place.source), place.beneath) if place.beneath else os.stat(place.source).st_mode
        )
    except FileNotFoundError:
        return None


def _create(files: NodeFiles, beneath: str, volume: HostPathVolumeSource) -> None:
    try:
        if volume.type in {"", "DirectoryOrCreate"}:
            node_files.make_folder(files.tree, beneath)
        elif volume.type == "FileOrCreate":
            node_files.make_file(files.tree, beneath)
    except OSError as error:
        raise ConfigurationError(f"hostPath {volume.path}: {os.strerror(error.errno or 0)}") from None


def mounts(files: NodeFiles, path: str, target: str, sub_path: str = "", *, read_only: bool = False) -> Iterator[Mount]:
    """Return the mounts that show a path of the node at a path of a container."""
    place = locate(files, path)
    yield place.mount(target, sub_path, read_only=read_only)
    shown = posixpath.normpath(posixpath.join(path, sub_path))
    for inner in _inner(shown):
        below = posixpath.join(target, posixpath.relpath(inner, shown))
        yield from (one for one in [locate(files, inner).mount(below)] if one.source != str(files.tree))


def _inner(shown: str) -> Iterable[str]:
    """What is not in the tree itself, below a path of it."""
    if shown == "/":
        real = [f"/{name}" for name in SYSTEM_FOLDERS if os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}")]
        return ("/usr", *real, "/proc", "/sys", POD_LOGS, CONTAINER_LOGS)
    if shown in {"/var", "/var/log"}:
        return (POD_LOGS, CONTAINER_LOGS)
    return ()
