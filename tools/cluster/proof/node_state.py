"""The state of a node's network as text, to compare before an installation and after its end."""

from __future__ import annotations

import re

from tools.cluster import enter
from tools.cluster.layout import Layout

SECTIONS = {
    "rules": "nft -s list ruleset",
    "links": "ip -o link | cut -d' ' -f2 | cut -d@ -f1",
    "addresses": "ip -o address | sed 's/valid_lft.*//'",
    "routes": "ip route show table all; ip -6 route show table all",
    "policy rules": "ip rule; ip -6 rule",
    "neighbours of others": "ip neigh show proxy; ip -6 neigh show proxy",
    "sysctls": "grep -rs . /proc/sys/net /proc/sys/kernel/panic /proc/sys/vm/overcommit_memory",
    "plugins": "ls /opt/cni/bin; cat /etc/cni/net.d/* 2>/dev/null; ls /etc/cni/net.d",
    "files": "ls -A /var/lib/podwire /run/podwire 2>/dev/null",
    "mounts": "cut -d' ' -f5 /proc/self/mountinfo | sort",
}
"""Commands of a shell. Counters are left out (-s)."""

VOLATILE = re.compile(r"nf_conntrack_count|random|expires \d+sec|^/run/containerd/|^/var/lib/kubelet/pods/")
"""Lines that differ at any two times, and mounts of pods."""


def read(layout: Layout, host: str) -> dict[str, str]:
    """The state of a node, by section."""
    return {
        name: _steady(enter.run(layout, host, "sh", "-c", f"{{ {text}; }}; true")) for name, text in SECTIONS.items()
    }


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What differs, a line each: `section: - line` was there before, `section: + line` is there now."""
    found = []
    for name, text in before.items():
        old, new = text.splitlines(), after[name].splitlines()
        found += [f"{name}: - {line}" for line in old if line not in new]
        found += [f"{name}: + {line}" for line in new if line not in old]
    return found


def _steady(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not VOLATILE.search(line))
