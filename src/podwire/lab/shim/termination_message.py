"""What a container leaves as its last words: the end of its termination file, else of its log.

Source: k8s.io/kubernetes `pkg/kubelet/kuberuntime/kuberuntime_container.go` (getTerminationMessage,
readLastStringFromContainerLogs), whose limits these are.
"""

from __future__ import annotations

import os
from pathlib import Path

from podwire.lab.shim.cri_log import decode

TERMINATION_FILE = "termination-log"
LARGEST_MESSAGE = 4096
LARGEST_FROM_LOG = 2048
MOST_LOG_LINES = 80
_LOG_BYTES = 256 * 1024
"""What is read of a log: 80 lines whose last 2,048 bytes count are in it, with the heads of their entries."""


def provide(folder: Path) -> Path:
    """Make the empty file of a container that starts; any user may write to it."""
    path = folder / TERMINATION_FILE
    path.unlink(missing_ok=True)
    path.touch()
    path.chmod(0o666)
    return path


def termination_message(folder: Path, log: Path, *, from_log: bool) -> str:
    """Return the message of a container that ended. `from_log`: where its file is empty, the end of its log."""
    data = _last_bytes(folder / TERMINATION_FILE, LARGEST_MESSAGE)
    if not data and from_log:
        data = _last_output(log)
    return data.decode("utf-8", "replace")


def _last_output(log: Path) -> bytes:
    entries = [decode(line) for line in _last_bytes(log, _LOG_BYTES).splitlines(keepends=True)]
    output = b"".join(entry.output for entry in entries if entry is not None)
    return b"".join(output.splitlines(keepends=True)[-MOST_LOG_LINES:])[-LARGEST_FROM_LOG:]


def _last_bytes(path: Path, most: int) -> bytes:
    """Return the last bytes of a file; none where it does not exist."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        file.seek(max(0, size - most))
        return file.read(most)
