"""Make mount points in an image's root, also where the image has a link that leads nowhere.

crun follows links within the root, and refuses one whose end is missing; images have those (/etc/resolv.conf).
"""

from __future__ import annotations

import errno
import os
from collections import deque

from podwire.kernel import mounts

MOST_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


def provide(root: str, target: str, *, is_folder: bool) -> None:
    """Make `target` below `root` with its parents, where they are missing. Nothing outside of root is reached."""
    done, left, links = "", deque(_parts(target)), 0
    while left:
        name = left.popleft()
        path = f"{done}/{name}" if done else name
        if not _exists(root, path):
            link = _make(root, done, name, is_folder=is_folder or bool(left))
            if link:
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, f"{target}: too many links in the image")
                left.extendleft(reversed(_parts(link)))
                done = "" if link.startswith("/") else done
                continue
        done = path


def _make(root: str, folder: str, name: str, *, is_folder: bool) -> str:
    """Make a file or folder; where a link exists in its place, return where that leads and make nothing."""
    parent = mounts.open_beneath(root, folder or ".")
    try:
        if is_folder:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o644, dir_fd=parent))
    except FileExistsError:
        return os.readlink(name, dir_fd=parent)
    else:
        return ""
    finally:
        os.close(parent)


def _exists(root: str, path: str) -> bool:
    try:
        os.close(mounts.open_beneath(root, path))
    except FileNotFoundError:
        return False
    return True


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]
