"""The file systems of a world: /proc, and bounded tmpfs mounts so that no part can take the space of another.

    /run                       sockets and namespace pins
    /run/podwire/store         the API server's database and audit log
    /run/podwire/nodes         state of agents, kubelets and shims, and volumes made from API objects
    /run/podwire/ephemeral/N   what pods of node N write: emptyDir volumes, files of hostPath volumes, logs

A size is a limit and reserves nothing. Together they are half of the memory, as much as one tmpfs has by default.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from podwire.kernel import namespaces
from podwire.lab.base import paths

STORE_SHARE = 8
NODES_SHARE = 8
EPHEMERAL_SHARE = 4
"""One part in so many of the machine's memory; all nodes share the last one."""
RUN_BYTES = 128 * 1024 * 1024
SMALLEST_BYTES = 64 * 1024 * 1024
FLAGS = namespaces.MS_NOSUID | namespaces.MS_NODEV


def prepare_mounts(nodes: Sequence[str] = (), run_bytes: int = RUN_BYTES) -> None:
    """Mount the world's own /proc and its tmpfs file systems in this mount namespace. Raises OSError."""
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount("proc", "/proc", "proc", FLAGS | namespaces.MS_NOEXEC)
    # A user namespace inside a container could mount cgroup2 for itself, and what root makes there stays on the host.
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    _mount(Path("/run"), run_bytes)
    for folder in (paths.WORLD, paths.NETWORKS, paths.PKI):
        folder.mkdir(parents=True, mode=0o700)
    _mount(paths.STORE, memory // STORE_SHARE)
    _mount(paths.NODES, memory // NODES_SHARE)
    for node in nodes:
        _mount(paths.ephemeral(node), memory // EPHEMERAL_SHARE // len(nodes))


def _mount(target: Path, size: int) -> None:
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    namespaces.mount("tmpfs", str(target), "tmpfs", FLAGS, f"mode=0755,size={max(size, SMALLEST_BYTES)}")
