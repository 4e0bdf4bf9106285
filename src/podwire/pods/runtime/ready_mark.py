"""The mark beside the CNI socket: until when a node's network counts as set up while no agent answers.

The CNI plugin reads it while the agent is away, for a restart or an upgrade: STATUS succeeds while the mark is valid,
so the node stays Ready, and ADD and DEL wait for the next agent. One line, `BOOT NETNS EXPIRY`: the boot of the
machine, the number of the node's network namespace and a second of CLOCK_BOOTTIME. So it is invalid after a reboot, in
another namespace, and when no agent has come back in time. Sources: random(4), clock_gettime(2); SO_NETNS_COOKIE in
net/core/sock.c: an inode number would not do, as the next namespace gets that of one that is gone.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from podwire.pods.runtime.plugin import network_number

log = logging.getLogger(__name__)

SUFFIX = ".ready"
VALID_SECONDS = 180
"""An upgrade pulls an image meanwhile; pods that are scheduled to a node without an agent wait as long."""
RENEW_SECONDS = 30.0

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class ReadyMark:
    """The mark of the agent with this CNI socket. Make it in a thread that is in the node's network namespace."""

    def __init__(self, socket: Path) -> None:
        self._path = socket.with_name(socket.name + SUFFIX)
        self._place = _place()

    def renew(self) -> None:
        """Make it valid for VALID_SECONDS from now. A file that cannot be written is logged: the network works."""
        if not self._place:
            return
        expiry = int(time.clock_gettime(time.CLOCK_BOOTTIME)) + VALID_SECONDS
        making = self._path.with_name(f".{self._path.name}")
        try:
            making.write_text(f"{self._place} {expiry}\n")
            making.replace(self._path)
        except OSError as error:
            log.warning("%s cannot be written, so the node is not ready while no agent runs: %s", self._path, error)

    def is_valid(self) -> bool:
        """Whether an agent had set up the network of this node a short time ago."""
        try:
            place, _, expiry = self._path.read_text().strip().rpartition(" ")
            return place == self._place != "" and int(expiry) > time.clock_gettime(time.CLOCK_BOOTTIME)
        except (OSError, ValueError):
            return False


def _place() -> str:
    """Return this boot and this network namespace; empty on a kernel that has no number for it."""
    try:
        return f"{_BOOT.read_text().strip()} {network_number()}"
    except OSError as error:
        log.warning("no mark can be made, so the node is not ready while no agent runs: %s", error)
        return ""
