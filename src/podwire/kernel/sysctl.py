"""Kernel parameters of the network namespace that this thread is in.

Sources: proc(5), Documentation/networking/ip-sysctl.rst of the kernel.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path("/proc/sys")
NODE_ROOT = Path("/node/proc/sys")
"""Where a container that may not write to its own /proc/sys has its node's; `net` there follows the thread too."""


def read(name: str) -> str:
    """The value of a parameter, named by its path below /proc/sys, such as net/ipv4/ip_forward."""
    return _path(name).read_text().strip()


def write(values: Mapping[str, int | str]) -> None:
    """Set parameters in order. One that has the value already is not written: it may be read-only here.

    Raises OSError that names the parameter; FileNotFoundError where the kernel does not have it.
    """
    for name, value in values.items():
        if read(name) != str(value):
            _path(name).write_text(str(value))


def _path(name: str) -> Path:
    return (NODE_ROOT if os.path.isdir(NODE_ROOT) else _ROOT) / name
