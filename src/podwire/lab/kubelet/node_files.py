"""The files of a node, which hostPath volumes show: a tree of its own, as nodes of a world share one machine.

    <ephemeral>/host        the tree: what pods write by hostPath stays in it for later pods
    <node>/log/pods         the logs of all containers, at /var/log/pods of the tree, read-only for containers
    <node>/log/containers   links to them by pod, namespace and container, at /var/log/containers

Programs and other public files are the machine's own and read-only. Containers may leave links in the tree, so that
every path below it is resolved by the kernel as if the tree were the root directory.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import msgspec

from podwire.kernel import mounts
from podwire.lab.container.passwd import etc_group, etc_passwd
from podwire.lab.container.rootfs import SYSTEM_FOLDERS

FOLDERS = {
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
    "var/lib": 0o755,
    "var/log": 0o755,
    "var/log/containers": 0o755,
    "var/log/pods": 0o755,
    "var/tmp": 0o1777,
}
OS_RELEASE = "/usr/lib/os-release"
UTC = "/usr/share/zoneinfo/Etc/UTC"


class NodeFiles(msgspec.Struct, frozen=True):
    """The folders of one node; `tree` is the root directory that hostPath volumes show.

    `name` and `resolver` (the text of resolv.conf) are written into the tree.
    """

    folder: Path
    tree: Path
    name: str
    resolver: str = ""

    @property
    def pod_logs(self) -> Path:
        """What the tree has at /var/log/pods."""
        return self.folder / "log" / "pods"

    @property
    def container_logs(self) -> Path:
        """What the tree has at /var/log/containers."""
        return self.folder / "log" / "containers"

    def provide(self) -> None:
        """Make the tree where it does not exist yet. It appears when it is whole."""
        for folder in (self.pod_logs, self.container_logs):
            folder.mkdir(parents=True, exist_ok=True)
        if self.tree.exists():
            return
        self.tree.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.tree.with_name(f"{self.tree.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._make(fresh)
        fresh.rename(self.tree)

    def _make(self, folder: Path) -> None:
        for name, mode in FOLDERS.items():
            (folder / name).mkdir(parents=True)
            (folder / name).chmod(mode)
        (folder / "var" / "run").symlink_to("/run")
        for name in SYSTEM_FOLDERS:
            host = f"/{name}"
            if os.path.islink(host):
                (folder / name).symlink_to(os.readlink(host))
            elif os.path.isdir(host):
                (folder / name).mkdir()
        etc = folder / "etc"
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "hosts").write_text(f"127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t{self.name}\n")
        (etc / "machine-id").write_text(f"{machine_id(self.name)}\n")
        (etc / "passwd").write_text(etc_passwd())
        (etc / "group").write_text(etc_group())
        (etc / "resolv.conf").write_text(self.resolver)
        for name, source in (("os-release", OS_RELEASE), ("localtime", UTC)):
            if os.path.exists(source):
                shutil.copyfile(source, etc / name)


def machine_id(node: str) -> str:
    """Return the node's machine id: 32 hexadecimal digits (machine-id(5))."""
    return hashlib.sha256(f"podwire node {node}".encode()).hexdigest()[:32]


def file_mode(tree: Path, path: str) -> int | None:
    """Return the mode, with the type, of a path below the tree; None where nothing is there."""
    try:
        descriptor = mounts.open_beneath(str(tree), path.strip("/") or ".")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)


def make_folder(tree: Path, path: str) -> None:
    """Make a folder of the tree with its parents. Raises OSError."""
    mounts.make_folder_beneath(str(tree), path)


def make_file(tree: Path, path: str) -> None:
    """Make an empty file of the tree, whose folder must exist. Raises OSError."""
    folder, _, name = path.strip("/").rpartition("/")
    parent = mounts.open_beneath(str(tree), folder or ".")
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent))
    finally:
        os.close(parent)


def open_file(root: Path, path: str) -> int:
    """Return a descriptor to read a file or folder below a root. Raises OSError."""
    place = mounts.open_beneath(str(root), path.strip("/") or ".")
    try:
        if not stat.S_ISREG(mode := os.fstat(place).st_mode) and not stat.S_ISDIR(mode):
            raise FileNotFoundError(f"{path} is neither a file nor a folder")
        return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(place)
