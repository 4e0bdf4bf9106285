from __future__ import annotations

from pathlib import Path

import pytest
from tools.cluster.cgroups import Hierarchy, NoHierarchiesError, hierarchies

MOUNTS = """\
proc /proc proc rw,relatime 0 0
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


def test_each_hierarchy_has_the_options_that_mount_it_again() -> None:
    assert hierarchies(MOUNTS) == (
        Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), "cpu,cpuacct"),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), "none,name=systemd"),
    )


def test_a_machine_with_version_2_only_is_refused_with_the_remedy() -> None:
    with pytest.raises(NoHierarchiesError, match="unified_cgroup_hierarchy=0"):
        hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw,relatime 0 0\n")
