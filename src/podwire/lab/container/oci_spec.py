"""The `config.json` by which crun runs a container from an image. Pure: a plan and folders in, a document out.

Everything that needs judgement is prepared in folders beforehand (`crun.py`): the root, /dev with its read-only device
nodes, and the volumes as mounts that can lead nowhere else. Network, host name and IPC are those of the process that
calls crun; it adds process ids, mounts and a view of cgroups that begins at the container's own.

Source: OCI runtime specification 1.0.2 (`config.md`, `config-linux.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from podwire.lab.container.plan import ContainerPlan, Execute
from podwire.lab.container.rootfs import MASKED, OWN_FILESYSTEMS, READ_ONLY_PATHS

VERSION = "1.0.2"
HARDENED = ("nosuid", "noexec", "nodev")


class Staged(msgspec.Struct, frozen=True):
    """A file or folder that was prepared under `source` and belongs at `target` of the container."""

    source: str
    target: str
    read_only: bool = False


class Stage(msgspec.Struct, frozen=True):
    """What was prepared for a container. `sysfs`: the kernel lets this world mount its own /sys.

    It shares the pid namespace of the process `beside`; where that is 0 it has its own.
    """

    root: str
    devices: str
    mounts: Sequence[Staged] = ()
    sysfs: bool = True
    beside: int = 0


def config(plan: ContainerPlan, stage: Stage) -> dict[str, Any]:
    """The document for a container whose program is an Execute."""
    return {
        "ociVersion": VERSION,
        "root": {"path": stage.root, "readonly": plan.read_only_root},
        "process": _process(plan),
        "mounts": [*_mounts(stage), *_filesystems(plan, stage)],
        "linux": {
            "namespaces": [_processes(stage.beside), {"type": "mount"}, {"type": "cgroup"}],
            "maskedPaths": [*MASKED, *_masked_elsewhere(plan)],
            "readonlyPaths": list(READ_ONLY_PATHS),
        },
    }


def _processes(beside: int) -> dict[str, str]:
    return {"type": "pid", "path": f"/proc/{beside}/ns/pid"} if beside else {"type": "pid"}


def _process(plan: ContainerPlan) -> dict[str, Any]:
    assert isinstance(plan.program, Execute)
    who = plan.identity
    bounding = [f"CAP_{name}" for name in who.capabilities]
    held = bounding if who.user == 0 else []
    return {
        "terminal": plan.terminal,
        "args": list(plan.program.arguments),
        "env": [f"{name}={value}" for name, value in plan.environment.items()],
        "cwd": plan.folder,
        "user": {
            "uid": who.user,
            "gid": who.group,
            "additionalGids": [group for group in who.groups if group != who.group],
            "umask": 0o022,
        },
        "capabilities": {
            "bounding": bounding,
            "effective": held,
            "permitted": held,
            "inheritable": [],
            "ambient": [],
        },
        "noNewPrivileges": who.no_new_privileges,
    }


def _mounts(stage: Stage) -> list[dict[str, Any]]:
    system = (
        _mount("/proc", "proc", "proc", *HARDENED),
        _mount("/dev", "bind", stage.devices, "rbind", "rprivate"),
        _mount("/sys", "sysfs", "sysfs", *HARDENED, "ro")
        if stage.sysfs
        else _mount("/sys", "tmpfs", "tmpfs", *HARDENED, "ro", "mode=0555", "size=64k"),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *HARDENED, "ro"),
    )
    # A volume inside another one is attached after it.
    volumes = sorted(stage.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
    return [*system, *(_volume(one) for one in volumes)]


def _filesystems(plan: ContainerPlan, stage: Stage) -> list[dict[str, Any]]:
    """The container's own /proc and /sys at more places, read-only."""
    desired = [mount for mount in plan.mounts if mount.filesystem]
    return [
        _mount(mount.target, mount.filesystem, mount.filesystem, *HARDENED, "ro")
        if mount.filesystem != "sysfs" or stage.sysfs
        else _mount(mount.target, "tmpfs", "tmpfs", *HARDENED, "ro", "mode=0555", "size=64k")
        for mount in desired
    ]


def _masked_elsewhere(plan: ContainerPlan) -> list[str]:
    return [
        mount.target.rstrip("/") + path.removeprefix(OWN_FILESYSTEMS[mount.filesystem])
        for mount in plan.mounts
        if mount.filesystem
        for path in MASKED
        if path.startswith(f"{OWN_FILESYSTEMS[mount.filesystem]}/")
    ]


def _volume(one: Staged) -> dict[str, Any]:
    return _mount(
        one.target, "bind", one.source, "rbind", "rprivate", "nosuid", "nodev", "ro" if one.read_only else "rw"
    )


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
