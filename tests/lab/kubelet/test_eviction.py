"""Which pods exceed their limits of local storage, and what their status says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.kube.volumes import EmptyDirVolumeSource
from podwire.lab.kubelet.empty_dir import EmptyDirs, disk_usage
from podwire.lab.kubelet.eviction import StorageUsage, excess, largest, limited, pause, shortage
from podwire.lab.kubelet.node_conditions import Readings
from tests.sandbox import in_world

MI = 1024 * 1024


def pod(*volumes: dict[str, Any], limits: tuple[str, ...] = (), **spec: Any) -> Pod:
    containers = [
        {"name": f"c{number}", "resources": {"limits": {"ephemeral-storage": limit} if limit else {}}}
        for number, limit in enumerate(limits or ("",))
    ]
    named = [{"name": f"v{number}", "emptyDir": volume} for number, volume in enumerate(volumes)]
    return msgspec.convert({"spec": {"containers": containers, "volumes": named, **spec}}, Pod)


def test_a_volume_over_its_limit() -> None:
    one = pod({}, {"sizeLimit": "64Mi"})
    assert excess(one, StorageUsage({"v0": 900 * MI, "v1": 64 * MI})) == ""
    message = excess(one, StorageUsage({"v1": 64 * MI + 1}))
    assert message == 'Usage of EmptyDir volume "v1" exceeds the limit "64Mi". '


def test_a_container_over_its_limit() -> None:
    two = pod(limits=("1Gi", "5Mi"))
    assert excess(two, StorageUsage(containers={"c0": 100 * MI, "c1": 5 * MI})) == ""
    message = excess(two, StorageUsage(containers={"c1": 5 * MI + 1}))
    assert message == 'Container c1 exceeded its local ephemeral storage limit "5Mi". '


def test_a_pod_over_the_sum_of_its_limits() -> None:
    two = pod({}, limits=("4Mi", "4Mi"))
    assert excess(two, StorageUsage({"v0": 6 * MI}, {"c0": 2 * MI})) == ""
    message = excess(two, StorageUsage({"v0": 6 * MI}, {"c0": 2 * MI, "c1": 1}))
    assert message == "Pod ephemeral local storage usage exceeds the total limit of containers 8Mi. "
    init = {"name": "i", "resources": {"limits": {"ephemeral-storage": "16Mi"}}}
    assert excess(pod({}, limits=("4Mi",), initContainers=[init]), StorageUsage({"v0": 10 * MI})) == ""


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (pod({}), False),
        (pod({"sizeLimit": "1Mi"}), True),
        (pod({"sizeLimit": "0"}), False),
        (pod({"sizeLimit": "1Mi", "medium": "Memory"}), False),
        (pod(limits=("1Mi",)), True),
        (pod(limits=("1Mi",), priorityClassName="system-node-critical"), False),
    ],
)
def test_only_pods_with_a_limit_are_measured(subject: Pod, expected: bool) -> None:
    assert limited(subject) is expected


def test_a_node_that_is_short_of_storage_evicts_the_largest_pod() -> None:
    small, large, critical = pod(), pod(), pod(priorityClassName="system-node-critical")
    usages = {
        "small": (small, StorageUsage({"v": MI}, {"c0": 9 * MI})),
        "large": (large, StorageUsage({"v": 2 * MI})),
        "critical": (critical, StorageUsage({"v": 5 * MI})),
    }
    assert largest(usages) == "large"
    assert largest({"critical": usages["critical"]}) is None
    assert largest({"none": (small, StorageUsage(containers={"c0": MI}))}) is None, "its root is in no shared place"


def test_the_message_of_a_shortage() -> None:
    assert shortage(Readings(memory=0, storage=10 * MI, storage_total=100 * MI)) == ""
    expected = "The node was low on resource: ephemeral-storage. Threshold quantity: 10Mi, available: 9Mi. "
    assert shortage(Readings(memory=0, storage=9 * MI, storage_total=100 * MI)) == expected


@pytest.mark.parametrize(("spent", "seconds"), [(0.001, 1.0), (0.2, 4.0), (3.0, 10.0)])
def test_a_measurement_that_takes_long_is_repeated_within_ten_seconds(spent: float, seconds: float) -> None:
    assert pause(spent) == seconds


def test_usage_is_what_files_occupy(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * MI)
    os.symlink("/usr", tmp_path / "link")
    assert MI <= disk_usage(tmp_path) < 2 * MI
    assert disk_usage(tmp_path / "none") == 0


@in_world
def test_a_volume_in_memory_is_as_large_as_its_limit() -> None:
    dirs = EmptyDirs(Path("/run/podwire/test/dirs"))
    link = Path("/run/podwire/test/link")
    dirs.provide("v", EmptyDirVolumeSource(medium="Memory", size_limit="1Mi"), None, link)
    assert os.statvfs(link).f_blocks * os.statvfs(link).f_frsize == MI
    with pytest.raises(OSError, match="No space left"):
        (link / "file").write_bytes(b"x" * (MI + 1))
    dirs.remove()
    assert not dirs.folder.exists()
