"""emptyDir volumes of one pod, on the node's bounded file system; of medium Memory, a tmpfs of their own.

Source: k8s.io/kubernetes `pkg/volume/emptydir/empty_dir.go`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import msgspec

from podwire.kernel import namespaces
from podwire.kube import quantities
from podwire.kube.volumes import EmptyDirVolumeSource

MEMORY = "Memory"
_FLAGS = namespaces.MS_NOSUID | namespaces.MS_NODEV


class EmptyDirs(msgspec.Struct, frozen=True):
    """The emptyDir volumes below one folder, which belongs to one pod."""

    folder: Path

    def provide(self, name: str, source: EmptyDirVolumeSource, group: int | None, link: Path) -> None:
        """Make a volume where it does not exist yet; `link` leads to it then."""
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir(parents=True)
            if source.medium == MEMORY:
                self._mount_memory(folder, source)
            if group is not None:
                os.chown(folder, -1, group)
            folder.chmod(0o777 if group is None else 0o2777)
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(folder)

    def _mount_memory(self, folder: Path, source: EmptyDirVolumeSource) -> None:
        """Mount a tmpfs that is as large as the limit, and not larger than the node's file system."""
        total = os.statvfs(self.folder)
        size = total.f_blocks * total.f_frsize
        if source.size_limit is not None and (limit := int(quantities.number(source.size_limit))) > 0:
            size = min(size, limit)
        namespaces.mount("tmpfs", str(folder), "tmpfs", _FLAGS, f"size={max(size, os.sysconf('SC_PAGE_SIZE'))}")

    def remove(self) -> None:
        """Remove all volumes with what is in them."""
        with contextlib.suppress(FileNotFoundError):
            for folder in self.folder.iterdir():
                if os.path.ismount(folder):
                    namespaces.unmount(str(folder))
        shutil.rmtree(self.folder, ignore_errors=True)


def disk_usage(folder: Path) -> int:
    """Return the bytes that files below a folder occupy; 0 where it does not exist. Links are not followed."""
    used, folders = 0, [str(folder)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    used += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return used
