"""hostPath volumes: where paths lead, what types require, and that nothing leads out of the node's tree."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from podwire.kube.volumes import HostPathVolumeSource
from podwire.lab.container.plan import Mount
from podwire.lab.images.environment import ConfigurationError
from podwire.lab.kubelet import node_files
from podwire.lab.kubelet.host_path import locate, mounts, provide
from podwire.lab.kubelet.node_files import NodeFiles


@pytest.fixture
def files(tmp_path: Path) -> NodeFiles:
    made = NodeFiles(tmp_path / "node", tmp_path / "host", "node-1", "nameserver 172.18.255.1\n")
    made.provide()
    return made


def volume(path: str, kind: str = "") -> HostPathVolumeSource:
    return HostPathVolumeSource(path=path, type=kind)


def test_folders_that_are_missing_are_made_where_the_type_allows(files: NodeFiles) -> None:
    provide(files, volume("/var/lib/docker/containers"))
    provide(files, volume("/data/deep", "DirectoryOrCreate"))
    provide(files, volume("/data/deep", "Directory"))
    provide(files, volume("/data/file", "FileOrCreate"))
    provide(files, volume("/data/file", "File"))
    assert (files.tree / "var/lib/docker/containers").is_dir()
    assert (files.tree / "data/file").read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/none", "Directory", "hostPath type check failed: /none is not a directory"),
        ("/none", "File", "hostPath type check failed: /none is not a file"),
        ("/etc", "File", "hostPath type check failed: /etc is not a file"),
        ("/etc/hostname", "DirectoryOrCreate", "hostPath type check failed: /etc/hostname is not a directory"),
        ("/run/docker.sock", "Socket", "hostPath type check failed: /run/docker.sock is not a socket file"),
        ("/dev/sda", "BlockDevice", "hostPath type check failed: /dev/sda is not a block device"),
        ("/dev/kmsg", "CharDevice", "hostPath type check failed: /dev/kmsg is not a character device"),
        ("/none/file", "FileOrCreate", "hostPath /none/file: No such file or directory"),
        ("/proc/1/root", "", "hostPath /proc/1/root: use /proc itself"),
    ],
)
def test_types_that_do_not_fit(files: NodeFiles, path: str, kind: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        provide(files, volume(path, kind))


def test_sockets_and_devices(files: NodeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    (files.tree / "run" / "app").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(files.tree / "run" / "app")  # the whole path is too long for a socket
        listener.bind("s")
    provide(files, volume("/var/run/app/s", "Socket"))
    provide(files, volume("/dev/null", "CharDevice"))


def test_what_monitoring_agents_mount(files: NodeFiles) -> None:
    for path in ("/", "/proc", "/sys", "/var/log", "/var/lib/docker/containers", "/run/log/journal", "/lib/modules"):
        if path != "/lib/modules" or os.path.exists(path):
            provide(files, volume(path))
    provide(files, volume("/etc/machine-id", "File"))
    assert len((files.tree / "etc/machine-id").read_text().strip()) == 32


def test_the_containers_own_proc_and_sys_are_shown(files: NodeFiles) -> None:
    assert list(mounts(files, "/proc", "/host/proc")) == [Mount(target="/host/proc", read_only=True, filesystem="proc")]
    assert list(mounts(files, "/sys/", "/host/sys")) == [Mount(target="/host/sys", read_only=True, filesystem="sysfs")]


def test_programs_are_the_machines_and_read_only(files: NodeFiles) -> None:
    assert list(mounts(files, "/usr/bin", "/b")) == [Mount(source="/usr/bin", target="/b", read_only=True)]
    assert locate(files, "/usr/of-nobody").source == str(files.tree)


def test_logs_are_shown_read_only_wherever_a_mount_contains_them(files: NodeFiles) -> None:
    log, pods, containers = mounts(files, "/var/log", "/logs")
    assert (log.source, log.sub_path, log.read_only) == (str(files.tree), "var/log", False)
    assert (pods.source, pods.target, pods.read_only) == (str(files.pod_logs), "/logs/pods", True)
    assert (containers.target, containers.read_only) == ("/logs/containers", True)
    (one,) = mounts(files, "/var/log/pods/a_b_c", "/x")
    assert (one.source, one.sub_path, one.read_only) == (str(files.pod_logs), "a_b_c", True)


def test_the_whole_tree_is_read_only_with_everything_in_it(files: NodeFiles) -> None:
    found = {mount.target: mount for mount in mounts(files, "/", "/host")}
    assert {"/host", "/host/usr", "/host/proc", "/host/sys", "/host/var/log/pods"} <= found.keys()
    assert all(mount.read_only for mount in found.values())


def test_links_that_containers_leave_lead_nowhere_else(files: NodeFiles, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    (files.tree / "tmp" / "way").symlink_to(outside)
    with pytest.raises(ConfigurationError, match="is not a file"):
        provide(files, volume("/tmp/way/secret", "File"))
    with pytest.raises(OSError, match="way"):
        node_files.open_file(files.tree, "/tmp/way/secret")
    provide(files, volume("/tmp/new", "DirectoryOrCreate"))
    (files.tree / "tmp" / "here").symlink_to("/tmp/new")
    provide(files, volume("/tmp/here/file", "FileOrCreate"))
    assert (files.tree / "tmp/new/file").exists()
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
