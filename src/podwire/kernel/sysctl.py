"""Kernel parameters of the network namespace that this thread is in.

Sources: proc(5), Documentation/networking/ip-sysctl.rst of the kernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path("/proc/sys")


def read(name: str) -> str:
    """The value of a parameter, named by its path below /proc/sys, such as net/ipv4/ip_forward."""
    return (_ROOT / name).read_text().strip()


def write(values: Mapping[str, int | str]) -> None:
    """Set parameters in order. One that has the value already is not written: it may be read-only here.

    Raises OSError that names the parameter; FileNotFoundError where the kernel does not have it.
    """
    for name, value in values.items():
        if read(name) != str(value):
            (_ROOT / name).write_text(str(value))
