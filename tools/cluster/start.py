"""Start a cluster: build what is missing, write keys and configuration, start the first process, wait for the nodes."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import cgroups, configuration, control, credentials, enter, images, programs, record, stop
from tools.cluster.api import Api, wait
from tools.cluster.layout import OUTSIDE, Layout, folder_of

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST_PROCESS_SECONDS = 20.0
API_SECONDS = 120.0
NODE_SECONDS = 120.0
CONTAINERD_SECONDS = 60.0
NEEDED = ("unshare", "nsenter", "mount", "ip", "nice")
COVERED = ("/etc", "/opt", "/run", "/sys", "/var")
"""Folders of which a node sees its own: a cluster's files cannot be there."""
WORLD_NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc", "--mount-proc")


class UnsuitableMachineError(Exception):
    """The machine, or the caller, lacks something. The text has the remedy."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `up` is called with; the fields but the last are those of Layout."""

    name: str
    nodes: int
    apart: bool = False
    pod_ranges: bool = True
    archives: tuple[Path, ...] = ()
    """Images that every node gets, imported while the API server starts."""


def start(options: Options, report: Callable[[str], None]) -> Layout:
    """Start a cluster without a network; returns when all its nodes are registered, which are NotReady.

    Raises UnsuitableMachineError, cgroups.NoHierarchiesError, what programs.build_all raises, api.NotReadyError;
    nothing runs then, and the logs are kept until the next start.
    """
    check_machine()
    layout = Layout(options.name, options.nodes, folder_of(options.name), options.apart, options.pod_ranges)
    check_free(layout)
    built = programs.build_all(lambda name: report(f"build {name}"))
    report("start the control plane and the nodes")
    began = time.monotonic()
    try:
        _launch(layout, built)
        with ThreadPoolExecutor() as threads:
            imported = [
                threads.submit(_import_images, layout, built, host.name, options.archives)
                for host in layout.hosts
                if host.is_node
            ]
            api = Api(layout.kubeconfig)
            wait("the API server is ready", API_SECONDS, api.is_ready)
            report(f"the API server is ready after {time.monotonic() - began:.1f} s")
            for one in imported:
                one.result()
        wait("all nodes are registered", NODE_SECONDS, lambda: len(api.get("/api/v1/nodes")["items"]) == layout.nodes)
        wait("the default ServiceAccount exists", NODE_SECONDS, lambda: _has_service_account(api))
    except BaseException:
        stop.end(layout)
        raise
    report(f"{layout.nodes} nodes are registered after {time.monotonic() - began:.1f} s")
    return layout


def check_machine() -> None:
    """Raise UnsuitableMachineError, with what is needed."""
    if os.geteuid() != 0:
        raise UnsuitableMachineError("a kubelet needs root: call this as root")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise UnsuitableMachineError(f"{', '.join(missing)}: install the packages util-linux, iproute2 and coreutils")
    cgroups.hierarchies(cgroups.MOUNTS.read_text())


def check_free(layout: Layout) -> None:
    """Raise UnsuitableMachineError where the cluster runs already; remove what is left of one that has ended."""
    if layout.folder.resolve().as_posix().startswith(tuple(f"{path}/" for path in COVERED)):
        raise UnsuitableMachineError(
            f"{layout.folder}: nodes have a folder of their own there: set XDG_STATE_HOME elsewhere"
        )
    try:
        control.first_process(layout.socket(OUTSIDE))
    except control.NotRunningError:
        stop.stop(layout)
        return
    raise UnsuitableMachineError(
        f"cluster {layout.name} runs: `python -m tools.cluster down --name {layout.name}`, or choose another --name"
    )


def _launch(layout: Layout, built: programs.Programs) -> None:
    """Write all files, start the first process, wait until it takes requests."""
    for folder in (layout.logs, layout.programs):
        folder.mkdir(parents=True)
    layout.folder.chmod(0o700)
    for name, path in built.paths.items():
        layout.programs.joinpath(name).symlink_to(path)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = int(listener.getsockname()[1])
        credentials.make(layout, port)
        write_configuration(layout, built)
        record.save(record.Record.of(layout, built, port))
        cgroups.create(layout.name, [host.name for host in layout.hosts])
        with layout.logs.joinpath("world.log").open("ab") as log:
            subprocess.Popen(
                [
                    "unshare", *WORLD_NAMESPACES, "--fork", "--kill-child",
                    sys.executable, "-m", "tools.cluster.world_init", str(layout.folder), str(listener.fileno()),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=REPOSITORY, start_new_session=True,
                pass_fds=[listener.fileno()],
            )  # fmt: skip
    for host in (OUTSIDE, *(host.name for host in layout.hosts)):
        wait(f"{host}: see {layout.logs}/world.log", FIRST_PROCESS_SECONDS, functools.partial(_is_up, layout, host))


def _import_images(layout: Layout, built: programs.Programs, host: str, archives: tuple[Path, ...]) -> None:
    """Import the images of a node when its containerd takes requests."""
    names = [str(built["ctr"]), "--connect-timeout=1s", "version"]
    wait(f"containerd of {host}", CONTAINERD_SECONDS, lambda: _succeeds(layout, host, names))
    for archive in (images.pause(built), *archives):
        images.load_on(layout, host, built, archive)


def _succeeds(layout: Layout, host: str, words: list[str]) -> bool:
    try:
        enter.run(layout, host, *words)
    except subprocess.CalledProcessError:
        return False
    return True


def _is_up(layout: Layout, host: str) -> bool:
    try:
        control.first_process(layout.socket(host))
    except control.NotRunningError:
        return False
    return True


def _has_service_account(api: Api) -> bool:
    return bool(api.get("/api/v1/namespaces/default/serviceaccounts/default"))


def write_configuration(layout: Layout, built: programs.Programs) -> None:
    """Write the configuration of each node."""
    resolv_conf = layout.folder / "resolv.conf"
    resolv_conf.write_text("nameserver 172.30.0.1\n")  # nothing listens there: a query for the Internet fails at once
    for host in layout.hosts:
        if host.is_node:
            folder = layout.of(host.name)
            folder.joinpath("kubelet.json").write_text(configuration.kubelet(layout, host, resolv_conf))
            text = configuration.containerd(built[programs.RUNC], images.PAUSE_IMAGE)
            folder.joinpath("containerd.toml").write_text(text)
        else:
            layout.of(host.name).mkdir(parents=True)
