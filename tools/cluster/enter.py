"""Run a command on a host of a cluster: inside all its namespaces and control groups."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tools.cluster import cgroups, control
from tools.cluster.layout import OUTSIDE, Layout

NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")


def command(layout: Layout, host: str, words: Sequence[str]) -> list[str]:
    """The call of nsenter(1), whose own option for control groups changes only what is seen.

    Raises control.NotRunningError, LookupError.
    """
    first = control.first_process(layout.socket(host))
    if host == OUTSIDE:  # all files are the machine's: it stays in its folder, which ginkgo needs
        return ["nsenter", f"--target={first}", *NAMESPACES, f"--wd={os.getcwd()}", "--", *words]
    entered = ["nsenter", f"--target={first}", *NAMESPACES, "--cgroup", "--wd=/", "--", *words]
    return cgroups.inside(layout.name, layout.host(host).name, entered)


def run(layout: Layout, host: str, *words: str) -> str:
    """Run a command there and return its output. Raises CalledProcessError with what it printed."""
    return subprocess.run(command(layout, host, words), check=True, capture_output=True, text=True).stdout
