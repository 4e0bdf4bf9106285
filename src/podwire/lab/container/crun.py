"""Start a container from an image with crun. A launcher, forked here, prepares what crun needs and waits with it.

    launcher          its own mount, ipc, uts and cgroup namespaces, the pod's network
      cgroup2         mounted over /sys/fs/cgroup, where crun needs it and the host may have something else
      scratch/        a tmpfs: overlay's upper folder, /dev, the volumes as staged mounts, config.json
      crun create     makes the container; its first process waits, and belongs to the shim from now on
      -> pid          written down by the shim, which then releases the launcher
      crun start      the first process becomes the program

The image's folder is the lower one of an overlay and never written. With the launcher's namespaces everything that it
mounted is gone but for what the container itself holds. No cgroup is made: `--cgroup-manager=disabled`.

The launcher has no thread and no event loop: it is a fork of the shim, whose output it must not touch.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from podwire.kernel import mounts, namespaces
from podwire.lab.container import mount_points, process, rootfs
from podwire.lab.container.oci_spec import Stage, Staged, config
from podwire.lab.container.plan import ContainerPlan
from podwire.lab.container.process import GO, KEPT, Place, Started, Streams

BORN = 6
"""Descriptor of the launcher that takes the number of the container's first process."""
CGROUPS = "/sys/fs/cgroup"
ID = "container"
"""Each container has a state folder of crun's for itself, so one id serves all."""
LONGEST_MESSAGE = 4000
XATTR = "user.podwire"


class LaunchRefusedError(OSError):
    """The container cannot be made; the text names what is missing or wrong."""


class Launch(msgspec.Struct, frozen=True):
    """A launcher at work. `started_pipe` is readable when the first process is there, empty where it never will be."""

    launcher: int
    started_pipe: int
    report: int
    go: int

    def started(self) -> Started:
        """The container's first process, which waits. `started_pipe` must be readable. Raises LaunchRefusedError."""
        with open(self.started_pipe, "rb") as pipe:
            number = pipe.read()
        if number:
            return Started(int(number), self.report, self.go)
        os.close(self.go)
        raise LaunchRefusedError(process.read_report(self.report) or "the launcher of the container was killed")


def launch(plan: ContainerPlan, place: Place, streams: Streams) -> Launch:
    """Fork the launcher of a container. Its state is kept in `crun` beside the scratch folder."""
    started_pipe, writer = os.pipe()

    def become() -> NoReturn:
        _launch(plan, place)

    try:
        started = process.fork(become, streams, (streams.console, writer))
    except BaseException:
        os.close(started_pipe)
        raise
    finally:
        os.close(writer)
    return Launch(started.pid, started_pipe, started.report, started.go)


def _launch(plan: ContainerPlan, place: Place) -> NoReturn:
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # where the shim is dead, what was made must be cleared away
    _own_namespaces(place)
    runtime = _Runtime(place.scratch)
    try:
        stage = _stage(plan, place)
        bundle = place.scratch / "bundle"
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(config(plan, stage)))
        with _console(bundle, desired=plan.terminal) as terminal:
            runtime.create(bundle, terminal)
        if not place.beside:
            _bound_processes(runtime.pid)
        os.write(BORN, str(runtime.pid).encode())
        os.close(BORN)
        if os.read(GO, 1):
            runtime.run("start", ID)
        else:
            runtime.remove()
    except BaseException:
        runtime.remove()
        raise
    os._exit(0)


class _Runtime:
    """crun with a state folder of this launcher's, locked while it lives. Those of dead launchers are cleared away."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        states = scratch.parent / "crun"
        states.mkdir(exist_ok=True)
        for state in states.iterdir():
            with contextlib.suppress(FileNotFoundError):  # its launcher ends just now
                if _lock(state) is not None:
                    self._remove(state)
        self._state = states / str(os.getpid())
        self._state.mkdir()
        self._held = _lock(self._state)

    @property
    def pid(self) -> int:
        """The first process of the container that was made."""
        return int((self._scratch / "pid").read_text())

    def create(self, bundle: Path, console: str) -> None:
        """Make the container up to the point where its program would start."""
        more = ["--console-socket", console] if console else []
        self.run("create", "--bundle", str(bundle), "--pid-file", str(self._scratch / "pid"), *more, ID)

    def run(self, *arguments: str) -> None:
        """Run crun. Raises LaunchRefusedError with its message."""
        self._run(self._state, *arguments)

    def remove(self) -> None:
        """End and remove what this launcher made."""
        self._remove(self._state)

    def _remove(self, state: Path) -> None:
        if (state / ID).exists():
            with contextlib.suppress(LaunchRefusedError):
                self._run(state, "delete", "--force", ID)
        shutil.rmtree(state, ignore_errors=True)

    def _run(self, state: Path, *arguments: str) -> None:
        log = self._scratch / "crun.log"
        options = ["--root", str(state), "--cgroup-manager=disabled", "--log", str(log)]
        try:
            code = subprocess.run(["crun", *options, *arguments], check=False).returncode
        except FileNotFoundError:
            raise LaunchRefusedError(
                "containers from images need crun, which is not on this machine: install it (apt-get install crun)"
            ) from None
        if code:
            output = log.read_text(errors="replace").strip() if log.exists() else ""
            raise LaunchRefusedError(f"crun {arguments[0]}: {_words(output) or f'exit status {code}'}")


def _lock(folder: Path) -> int | None:
    """Return a descriptor that locks the folder; None if another process does. The kernel releases it at any death."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _words(log: str) -> str:
    """Return the messages of crun's log without their times."""
    return "; ".join(line.partition("]: ")[2] or line for line in log.splitlines())[-LONGEST_MESSAGE:]


def _own_namespaces(place: Place) -> None:
    """Leave those of the shim; what is mounted from now on is seen by this process and its children only."""
    namespaces.enter_network(place.network)
    namespaces.unshare(
        namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWCGROUP
    )
    namespaces.sethostname(place.hostname)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    try:
        namespaces.mount("cgroup2", CGROUPS, "cgroup2", rootfs.HARDENED)
    except OSError as error:
        raise LaunchRefusedError(
            f"containers from images need cgroup2, and the kernel does not mount it on {CGROUPS}: {error.strerror};"
            " a kernel with CONFIG_CGROUPS and a visible /sys/fs/cgroup are what crun needs"
        ) from None


# What the container will see


def _stage(plan: ContainerPlan, place: Place) -> Stage:
    """Prepare root, devices and volumes on a tmpfs of the launcher's own."""
    scratch = str(place.scratch)
    namespaces.mount("tmpfs", scratch, "tmpfs", namespaces.MS_NODEV, f"mode=0755,size={rootfs.ROOT_SIZE}")
    (place.scratch / "dev").mkdir()
    rootfs.make_devices(scratch)
    if plan.terminal:
        rootfs.make_target(f"{scratch}/dev/console", is_folder=False)
    root = make_root(Path(plan.image_root), place.scratch)
    volumes = _volumes(plan, place)
    for volume in volumes:
        mount_points.provide(root, volume.target, is_folder=os.path.isdir(volume.source))
    for mount in plan.mounts:
        if mount.filesystem:
            mount_points.provide(root, mount.target, is_folder=True)
    return Stage(root, f"{scratch}/dev", volumes, sysfs=_has_sysfs(place.scratch), beside=place.beside)


def make_root(image: Path, scratch: Path) -> str:
    """A root that can be written to, with the image's files in it: an overlay, or a copy where the kernel has none."""
    if not image.is_dir():
        raise LaunchRefusedError(f"the image's files are gone from {image}: load it again (podwire image load)")
    root = scratch / "root"
    root.mkdir()
    if not _overlay(image, scratch, root):
        _copy(image, root)
    return str(root)


def _overlay(image: Path, scratch: Path, root: Path) -> bool:
    """Whether the kernel lays a writable folder over the image (Linux 5.11; on tmpfs whole from 6.6)."""
    upper, work = scratch / "upper", scratch / "work"
    upper.mkdir(mode=0o755)
    work.mkdir()
    options = f"lowerdir={_escaped(image)},upperdir={upper},workdir={work},userxattr"
    try:
        os.setxattr(upper, XATTR, b"1")  # without these a folder that replaces one of the image would show its files
        os.removexattr(upper, XATTR)
        namespaces.mount("overlay", str(root), "overlay", namespaces.MS_NODEV, options)
    except OSError:
        return False
    return True


def _escaped(path: Path) -> str:
    """A path for overlay's options, where commas and colons have a meaning."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _copy(image: Path, root: Path) -> None:
    namespaces.mount("tmpfs", str(root), "tmpfs", namespaces.MS_NODEV, "mode=0755")
    result = subprocess.run(
        ["cp", "--archive", "--no-target-directory", str(image), str(root)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise LaunchRefusedError(f"copying the image's files: {result.stderr.strip()[-LONGEST_MESSAGE:]}")


def _volumes(plan: ContainerPlan, place: Place) -> list[Staged]:
    """The volumes as mounts of the launcher, each resolved without leaving its source, and the host name's file."""
    staged = []
    folder = place.scratch / "volumes"
    folder.mkdir()
    for number, mount in enumerate(mount for mount in plan.mounts if not mount.filesystem):
        source = str(folder / str(number))
        tree, is_folder = rootfs.take(mount)
        rootfs.make_target(source, is_folder=is_folder)
        mounts.attach(tree, source)
        staged.append(Staged(source, mount.target, mount.read_only))
    if not any(mount.target == "/etc/hostname" for mount in plan.mounts):
        name = place.scratch / "hostname"
        name.write_text(f"{place.hostname}\n")
        staged.append(Staged(str(name), "/etc/hostname"))
    return staged


def _has_sysfs(scratch: Path) -> bool:
    """Whether the kernel lets this world mount sysfs: not where the host hides parts of its own."""
    probe = scratch / "sys"
    probe.mkdir()
    try:
        namespaces.mount("sysfs", str(probe), "sysfs", rootfs.HARDENED | namespaces.MS_RDONLY)
    except OSError:
        return False
    namespaces.unmount(str(probe))
    return True


# crun's leftovers to do


@contextlib.contextmanager
def _console(bundle: Path, *, desired: bool) -> Iterator[str]:
    """Where crun sends its end of the terminal; it is passed on to the console's relay at the end."""
    if not desired:
        yield ""
        return
    os.chdir(bundle)  # where crun is too: an address has 107 bytes, and the folder's path more
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind("console.sock")
        listener.listen(1)
        yield "console.sock"
        connection, _ = listener.accept()
        with connection:
            _, (terminal, *_), _, _ = socket.recv_fds(connection, 4096, 1)
    with socket.socket(fileno=KEPT) as relay:
        socket.send_fds(relay, [b"terminal"], [terminal])
    os.close(terminal)


def _bound_processes(pid: int) -> None:
    """Set the most processes of the container from a child in its pid namespace: the kernel looks at who writes."""
    with open(f"/proc/{pid}/ns/pid") as inside:
        namespaces.setns(inside.fileno(), namespaces.CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):  # before Linux 6.14 pid_max is the whole machine's
            Path("/proc/sys/kernel/pid_max").write_text(str(rootfs.PROCESSES))
        os._exit(0)
    os.waitpid(child, 0)
    with open("/proc/self/ns/pid") as own:
        namespaces.setns(own.fileno(), namespaces.CLONE_NEWPID)
