"""Mounts as descriptors: clone a tree, change its attributes, attach it elsewhere; resolve a path below a root.

A source is taken while the host's files are in view and attached after they are out of it, so that a symbolic link
planted at the target can lead only to the container's own files.

Sources: open_tree(2), move_mount(2), mount_setattr(2), openat2(2). Linux 5.12 and later.
"""

from __future__ import annotations

import ctypes
import os

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NOSUID = 0x2
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOEXEC = 0x8

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x4
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10

# Numbers from 424 on are the same on all architectures.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def clone_tree(source: str | int, attributes: int = 0) -> int:
    """A copy of the mounts at a path (or at an open descriptor), with these attributes added, attached nowhere yet."""
    if isinstance(source, int):
        arguments: tuple[int, bytes] = (source, b"")
    else:
        arguments = (_AT_FDCWD, os.fsencode(source))
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | _AT_EMPTY_PATH | os.O_CLOEXEC
    tree = _check(_libc.syscall(_SYS_OPEN_TREE, *arguments, flags), f"open_tree {source}")
    try:
        if attributes:
            _set_attributes(tree, b"", attributes, _AT_EMPTY_PATH | _AT_RECURSIVE)
    except OSError:
        os.close(tree)
        raise
    return tree


def attach(tree: int, target: str) -> None:
    """Mount a cloned tree at target and close its descriptor."""
    try:
        result = _libc.syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
        _check(result, f"mount on {target}")
    finally:
        os.close(tree)


def bind(source: str, target: str, attributes: int = 0) -> None:
    """Show source, with everything mounted below it, at target too."""
    attach(clone_tree(source, attributes), target)


def restrict(target: str, attributes: int) -> None:
    """Add attributes to the one mount at target."""
    _set_attributes(_AT_FDCWD, os.fsencode(target), attributes, 0)


def _set_attributes(folder: int, path: bytes, attributes: int, flags: int) -> None:
    desired = _MountAttributes(attr_set=attributes)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR, folder, path, flags, ctypes.byref(desired), ctypes.c_size_t(ctypes.sizeof(desired))
    )
    _check(result, f"mount_setattr {os.fsdecode(path)}")


def open_beneath(root: str, path: str) -> int:
    """An O_PATH descriptor of path below root; links in it are followed as if root were the root directory."""
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = _OpenHow(flags=os.O_PATH | os.O_CLOEXEC, resolve=_RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        result = _libc.syscall(
            _SYS_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))
        )
        return _check(result, f"open {path} below {root}")
    finally:
        os.close(folder)


def make_folder_beneath(root: str, path: str, mode: int = 0o755) -> None:
    """Make path and its parents below root where they are missing, again without leaving root.

    `mode` is that of the folders made, whatever the umask.
    """
    done = ""
    for name in (part for part in path.split("/") if part not in {"", "."}):
        parent = open_beneath(root, done or ".")
        mask = os.umask(0)  # a later chmod could follow a link that a container puts there meanwhile
        try:
            os.mkdir(name, mode, dir_fd=parent)
        except FileExistsError:
            pass  # as desired, or a link that open_beneath will judge
        finally:
            os.umask(mask)
            os.close(parent)
        done = f"{done}/{name}" if done else name
