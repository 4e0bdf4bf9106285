"""The first process of a host of the underlay: makes its filesystems, then supervises its programs.

`python -m tools.cluster.node_init FOLDER HOST`, started by world_init inside new namespaces. It waits for a line on
standard input before it begins.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from podwire.kernel import namespaces
from tools.cluster import cgroups, daemons, record
from tools.cluster.configuration import CNI_NETWORKS, CNI_PLUGINS, KERNEL_SETTINGS, STATIC_PODS
from tools.cluster.layout import Layout
from tools.cluster.programs import Programs
from tools.cluster.supervisor import Supervisor

OVERLAYS = ("/etc", "/opt", "/var")
"""Folders of the machine that a node sees, and changes for itself only."""
STORES = ("containerd", "kubelet")
"""Folders of /var/lib that must not be overlays: an overlay of an overlay is refused."""
OF_OTHERS = (
    "/etc/cni",
    "/etc/kubernetes",
    "/opt/cni",
    "/opt/containerd",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
)
"""What a Kubernetes on the machine itself may have left there: hidden from the nodes."""


def main(folder: str, host: str) -> None:
    """Make the host, run its programs."""
    sys.stdin.readline()
    found = record.load(Path(folder))
    layout = found.layout
    namespaces.sethostname(host)
    make_filesystems(layout, host)
    if layout.host(host).is_node:
        place_plugins(found.built)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ["PATH"] = f"{layout.programs}:{os.environ['PATH']}"
    programs = daemons.of(layout, layout.host(host), found.built)
    Supervisor(programs, layout.logs, f".{host}", layout.socket(host)).run()


def make_filesystems(layout: Layout, host: str) -> None:
    """Mount what the host has of its own. All of it ends with the mount namespace."""
    own = layout.of(host)
    hierarchies = cgroups.hierarchies(cgroups.MOUNTS.read_text())
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys/fs/cgroup")
    for hierarchy in hierarchies:
        hierarchy.path.mkdir(parents=True, exist_ok=True)
        mount("-t", "cgroup", "-o", hierarchy.options, "cgroup", str(hierarchy.path))
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for path in ("/run/netns", "/run/lock"):
        Path(path).mkdir()
    for path in OVERLAYS:
        upper, work = own / f"overlay{path}" / "upper", own / f"overlay{path}" / "work"
        for made in (upper, work):
            made.mkdir(parents=True, exist_ok=True)
        mount("-t", "overlay", "-o", f"lowerdir={path},upperdir={upper},workdir={work}", "overlay", path)
    for path in OF_OTHERS:
        shutil.rmtree(path, ignore_errors=True)
    for store in STORES:
        source, target = own / store, Path("/var/lib", store)
        for made in (source, target):
            made.mkdir(parents=True, exist_ok=True)
        mount("--bind", str(source), str(target))
    _hide_kernel_settings(own)
    mount("--make-rshared", "/")  # volumes and network namespaces of pods reach containers that mount their folder


def _hide_kernel_settings(own: Path) -> None:
    for setting, value in KERNEL_SETTINGS.items():
        shown = own / setting.replace("/", "-")
        shown.write_text(f"{value}\n")
        mount("--bind", str(shown), f"/proc/sys/{setting}")


def place_plugins(programs: Programs) -> None:
    """Place the reference network plugins as a distribution does, and no network configuration."""
    for path in (CNI_PLUGINS, CNI_NETWORKS, STATIC_PODS):
        Path(path).mkdir(parents=True)
    for plugin in programs.plugins:
        shutil.copy(plugin, CNI_PLUGINS)


def mount(*arguments: str) -> None:
    """Call `mount`. Raises CalledProcessError; mount has printed why."""
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
