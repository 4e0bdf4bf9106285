"""The control groups that a test of ours can make, and that must not stay."""

from __future__ import annotations

from pathlib import Path


def below_own() -> set[str]:
    """Those below our own, where containers begin too: of the others any program of the machine may make one."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line.partition("::")[2].strip("/") for line in lines if line.startswith("0::")), "")
    return {str(path) for path in (Path("/sys/fs/cgroup") / own).rglob("*") if path.is_dir()}
