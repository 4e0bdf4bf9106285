"""A container's root: a tmpfs with the host's /usr read-only, a small /etc, and fresh everything else; then pivot.

Nothing that could reach the host's files is writable: each bind is read-only, device nodes too (a read-only mount of
a device can be written to, but its mode cannot be changed). What is masked in /proc and /sys is the list of container
runtimes (containerd `oci/spec_opts.go`).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from podwire.kernel import mounts, namespaces
from podwire.lab.container.passwd import etc_group, etc_passwd
from podwire.lab.container.plan import ContainerPlan, Mount

READ_ONLY = mounts.MOUNT_ATTR_RDONLY | mounts.MOUNT_ATTR_NODEV
OWN_FILESYSTEMS = {"proc": "/proc", "sysfs": "/sys"}
OWN_ATTRIBUTES = READ_ONLY | mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NOEXEC
HARDENED = namespaces.MS_NOSUID | namespaces.MS_NODEV | namespaces.MS_NOEXEC

SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Links into /usr on a merged-usr host, else real folders."""
PROGRAM_FOLDERS = ("usr", *SYSTEM_FOLDERS)

FRESH_FOLDERS = {
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "mnt": 0o755,
    "opt": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "run/lock": 0o1777,
    "srv": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
    "var/cache": 0o755,
    "var/lib": 0o755,
    "var/log": 0o755,
    "var/spool": 0o755,
    "var/tmp": 0o1777,
    "var/www": 0o755,
}

SHARED_ETC = (
    "alternatives",
    "ca-certificates.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
)
"""Public files of the host that programs in /usr need; all read-only."""

NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"

WGETRC = "tries = 1\n"
"""As busybox's wget: GNU's tries 20 times else, each time as long as its timeout, and waits in between."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

ROOT_SIZE = "512m"
"""Most that a container can write outside its volumes; it is memory of the machine."""
PROCESSES = 2048
"""Most processes and threads in a container, where the kernel can bound a pid namespace (Linux 6.14)."""


def enter_root(plan: ContainerPlan, hostname: str, scratch: Path) -> None:
    """Give this process, the first of new pid, mount and uts namespaces, the root of the container.

    `scratch` is any existing folder. The volumes' sources are taken before the pivot and attached after it.
    """
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    root = str(scratch)
    _new_root(root)
    make_devices(root)
    _proc_and_sys(root)
    trees = [(mount, take(mount)) for mount in plan.mounts if not mount.filesystem]
    Path(root, "etc/hostname").write_text(hostname + "\n")
    os.chdir(root)
    namespaces.pivot_root(".", ".")
    namespaces.unmount(".")
    os.chdir("/")
    extended = set()
    for mount, (tree, is_folder) in sorted(trees, key=lambda pair: pair[0].target.count("/")):
        if folder := missing_in_programs(mount.target):
            extended.add(folder)
            _extend(folder)
        make_target(mount.target, is_folder=is_folder)
        mounts.attach(tree, mount.target)
    for folder in extended:
        mounts.restrict(folder, mounts.MOUNT_ATTR_RDONLY)
    _mask()
    for mount in plan.mounts:
        if mount.filesystem:  # with what is masked in it
            make_target(mount.target, is_folder=True)
            mounts.bind(OWN_FILESYSTEMS[mount.filesystem], mount.target, OWN_ATTRIBUTES)
    if plan.read_only_root:
        mounts.restrict("/", mounts.MOUNT_ATTR_RDONLY)


def _new_root(root: str) -> None:
    namespaces.mount("tmpfs", root, "tmpfs", namespaces.MS_NODEV, f"mode=0755,size={ROOT_SIZE}")
    _make_folders(root)
    mounts.bind("/usr", f"{root}/usr", READ_ONLY)
    for name in SYSTEM_FOLDERS:
        _system_folder(name, root)
    _make_etc(root)


def _make_folders(root: str) -> None:
    previous = os.umask(0)
    try:
        for name, mode in FRESH_FOLDERS.items():
            os.mkdir(f"{root}/{name}", mode)
    finally:
        os.umask(previous)
    os.symlink("/run", f"{root}/var/run")
    os.symlink("/run/lock", f"{root}/var/lock")


def _system_folder(name: str, root: str) -> None:
    host = f"/{name}"
    if os.path.islink(host):
        os.symlink(os.readlink(host), f"{root}/{name}")
    elif os.path.isdir(host):
        os.mkdir(f"{root}/{name}")
        mounts.bind(host, f"{root}/{name}", READ_ONLY)


def _make_etc(root: str) -> None:
    etc = Path(root, "etc")
    (etc / "passwd").write_text(etc_passwd())
    (etc / "group").write_text(etc_group())
    (etc / "nsswitch.conf").write_text(NSSWITCH)
    (etc / "wgetrc").write_text(WGETRC)
    if os.path.exists("/usr/lib/os-release"):
        (etc / "os-release").symlink_to("../usr/lib/os-release")
    (etc / "mtab").symlink_to("/proc/self/mounts")
    for name in SHARED_ETC:
        _share(f"/etc/{name}", str(etc / name))


def _share(source: str, target: str) -> None:
    """Show a file or folder of the host read-only; what the host does not have is left out."""
    if os.path.exists(source):
        make_target(target, is_folder=os.path.isdir(source))
        mounts.bind(os.path.realpath(source), target, READ_ONLY | mounts.MOUNT_ATTR_NOSUID)


def make_devices(root: str) -> None:
    """Fill /dev below a root; its nodes can be used, and not changed."""
    dev = f"{root}/dev"
    namespaces.mount("tmpfs", dev, "tmpfs", namespaces.MS_NOSUID, "mode=0755,size=64k")
    attributes = mounts.MOUNT_ATTR_RDONLY | mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NOEXEC
    for name in DEVICES:
        make_target(f"{dev}/{name}", is_folder=False)
        mounts.bind(f"/dev/{name}", f"{dev}/{name}", attributes)
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{dev}/{name}")
    _terminals(f"{dev}/pts")
    namespaces.mount("shm", f"{dev}/shm", "tmpfs", HARDENED, "mode=1777,size=64m")
    namespaces.mount("mqueue", f"{dev}/mqueue", "mqueue", HARDENED)


def _terminals(target: str) -> None:
    """Own pseudo terminals, of group tty where the world maps that group."""
    flags = namespaces.MS_NOSUID | namespaces.MS_NOEXEC
    options = "newinstance,ptmxmode=0666,mode=0620"
    try:
        namespaces.mount("devpts", target, "devpts", flags, f"{options},gid=5")
    except OSError:
        namespaces.mount("devpts", target, "devpts", flags, options)


def _proc_and_sys(root: str) -> None:
    namespaces.mount("proc", f"{root}/proc", "proc", HARDENED)
    with contextlib.suppress(OSError):  # before Linux 6.14 pid_max is the whole machine's
        Path(root, "proc/sys/kernel/pid_max").write_text(str(PROCESSES))
    try:
        namespaces.mount("sysfs", f"{root}/sys", "sysfs", HARDENED | namespaces.MS_RDONLY)
    except OSError:
        # The kernel refuses where the host hides parts of its own /sys, as inside another container.
        namespaces.mount("tmpfs", f"{root}/sys", "tmpfs", HARDENED | namespaces.MS_RDONLY, "mode=0555,size=0")


def take(mount: Mount) -> tuple[int, bool]:
    """The source of a volume as a detached mount, and whether it is a folder."""
    attributes = mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NODEV
    if mount.read_only:
        attributes |= mounts.MOUNT_ATTR_RDONLY
    if not mount.sub_path:
        return mounts.clone_tree(mount.source, attributes), os.path.isdir(mount.source)
    try:
        descriptor = mounts.open_beneath(mount.source, mount.sub_path)
    except FileNotFoundError:
        # The same for the volume's folder and what is made in it, as upstream: a group that may write may go on to.
        mounts.make_folder_beneath(mount.source, mount.sub_path, stat.S_IMODE(os.stat(mount.source).st_mode))
        descriptor = mounts.open_beneath(mount.source, mount.sub_path)
    try:
        return mounts.clone_tree(descriptor, attributes), stat.S_ISDIR(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def make_target(target: str, *, is_folder: bool) -> None:
    """Something to mount on, with its parents."""
    if is_folder:
        os.makedirs(target, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def missing_in_programs(target: str) -> str:
    """Return the folder of the machine's programs in which a mount point must be made; empty where none must be."""
    if target.strip("/").partition("/")[0] not in PROGRAM_FOLDERS or os.path.lexists(target):
        return ""
    folder = os.path.dirname(target.rstrip("/"))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return "" if os.access(folder, os.W_OK) else os.path.realpath(folder)


def _extend(folder: str) -> None:
    """Lay a writable folder over one of the machine's programs. Raises OSError where the kernel has no overlay."""
    spare = "/.overlay"
    os.mkdir(spare, 0o700)
    namespaces.mount("tmpfs", spare, "tmpfs", namespaces.MS_NODEV, "mode=0755,size=1m")
    try:
        for name in ("upper", "work"):
            os.mkdir(f"{spare}/{name}", 0o755)
        options = f"lowerdir={folder},upperdir={spare}/upper,workdir={spare}/work,userxattr"
        namespaces.mount("overlay", folder, "overlay", namespaces.MS_NODEV, options)
    except OSError as error:
        raise OSError(error.errno, f"mount points in {folder} need an overlay: {error.strerror}") from None
    finally:
        namespaces.unmount(spare)
        os.rmdir(spare)


def _mask() -> None:
    for path in _existing(MASKED):
        if os.path.isdir(path):
            namespaces.mount("tmpfs", path, "tmpfs", HARDENED | namespaces.MS_RDONLY, "mode=0555,size=0")
        else:
            mounts.bind("/dev/null", path)
    for path in _existing(READ_ONLY_PATHS):
        mounts.bind(path, path, mounts.MOUNT_ATTR_RDONLY)


def _existing(paths: Iterable[str]) -> Iterable[str]:
    return (path for path in paths if os.path.exists(path))
