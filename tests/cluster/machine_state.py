"""What a cluster must not change of the machine that it runs on, as text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

COMMANDS = {
    "links": "ip -o link | cut -d' ' -f2",
    "addresses": "ip -o address | sed 's/valid_lft.*//'",
    "routes": "ip route show table all; ip -6 route show table all; ip rule",
    "rules": "nft -s list ruleset",
    "sysctls": "grep -rs . /proc/sys/net /proc/sys/vm /proc/sys/kernel/panic /proc/sys/kernel/panic_on_oops",
    "files": "ls -d /etc/cni /etc/kubernetes /opt/cni /opt/containerd /run/containerd /run/netns /var/lib/kubelet "
    "/var/lib/containerd /var/lib/cni /var/log/pods 2>/dev/null",
}
VOLATILE = re.compile(r"nf_conntrack_count|/vm/stat_refresh|numa_stat|drop_caches|compact_memory|expires \d+sec")


def read(cluster: str) -> dict[str, str]:
    """The state, by section; of mounts and control groups only what is this cluster's."""
    found = {
        name: subprocess.run(["sh", "-c", text], check=False, capture_output=True, text=True).stdout
        for name, text in COMMANDS.items()
    }
    found["mounts"] = "\n".join(
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if cluster in line
    )
    found["groups"] = "\n".join(sorted(map(str, Path("/sys/fs/cgroup").glob(f"*/*{cluster}*"))))
    return {
        name: "\n".join(line for line in text.splitlines() if not VOLATILE.search(line)) for name, text in found.items()
    }
