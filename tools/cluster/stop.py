"""End a cluster: its first process, and with it all others; then its control groups and files."""

from __future__ import annotations

import os
import shutil
import signal
import time

from tools.cluster import cgroups, control
from tools.cluster.layout import OUTSIDE, Layout

END_SECONDS = 30.0
_POLL_SECONDS = 0.02


def stop(layout: Layout) -> None:
    """End the cluster if it runs, and remove everything of it. Raises OSError where a process lives on."""
    end(layout)
    shutil.rmtree(layout.folder, ignore_errors=True)


def end(layout: Layout) -> None:
    """End the cluster if it runs, and keep its files. Raises as stop."""
    try:
        first = control.first_process(layout.socket(OUTSIDE))
    except control.NotRunningError:
        first = 0
    if first:
        descriptor = os.pidfd_open(first)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            _wait_for_end(first)
        finally:
            os.close(descriptor)
    cgroups.remove(layout.name)


def _wait_for_end(pid: int) -> None:
    """Wait until the kernel has ended the whole pid namespace: its first process is reaped after all others."""
    deadline = time.monotonic() + END_SECONDS
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
