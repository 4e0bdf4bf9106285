"""pid 1's end of the power switch: it turns nodes off and on, and starts roles on demand.

It never blocks for longer than one request is read.

A node that is turned off is answered when nothing of it runs any more: its processes are killed again at each step
until then. What cannot be killed (a process in an uninterruptible call) is reported after OFF_SECONDS.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from podwire.lab.base import paths
from podwire.lab.supervisor import power

REQUEST_SECONDS = 1.0
"""How long a client may take to send its request."""
OFF_SECONDS = 8.0
"""Less than the client waits for the answer."""
STEP_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class _Ending:
    """A node whose processes are being killed, and the client that waits for it."""

    node: str
    client: socket.socket
    deadline: float


class NodeSwitch:
    """Serves the switch.

    `hold` and `release` stop and allow the roles of a node's network namespace; `demand` allows one role by its name.
    """

    def __init__(
        self, path: Path, hold: Callable[[str], None], release: Callable[[str], None], demand: Callable[[str], None]
    ) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(4)
        self._hold = hold
        self._release = release
        self._demand = demand
        self._endings: list[_Ending] = []

    def accept(self, now: float) -> str:
        """Take one request. Returns an error for the log, empty if there is none."""
        client, _ = self.listener.accept()
        client.settimeout(REQUEST_SECONDS)
        try:
            line = client.makefile("rb").readline(power.LONGEST_REQUEST)
            if role := power.role_of(line):
                self._demand(role)
                _answer(client, power.DONE)
                return ""
            request = power.PowerRequest.decode(line)
        except (OSError, ValueError, KeyError) as error:
            _answer(client, power.refused("the request cannot be read"))
            return f"power switch: {type(error).__name__}: {error}"
        network = str(paths.network(request.node))
        if request.on:
            # A machine has another boot id then, and the mark is invalid; a world's node keeps its namespace.
            with contextlib.suppress(OSError):
                paths.ready_mark(request.node).unlink()
            self._release(network)
            _answer(client, power.DONE)
        else:
            self._hold(network)
            self._endings.append(_Ending(request.node, client, now + OFF_SECONDS))
        return ""

    def pause(self) -> float | None:
        """Seconds until the next step is due; None if no node is being turned off."""
        return STEP_SECONDS if self._endings else None

    def step(self, now: float) -> None:
        """Kill what still runs on nodes that are turned off, and answer clients whose nodes are off."""
        for ending in tuple(self._endings):
            alive = power.kill_all(ending.node)
            if alive and now < ending.deadline:
                continue
            self._endings.remove(ending)
            stuck = ", ".join(map(str, alive))
            why = f"still running after {OFF_SECONDS:g} s, although killed: process {stuck}; see its state in /proc"
            _answer(ending.client, power.refused(why) if alive else power.DONE)

    def close(self) -> None:
        """Close the listener and the connections, as a forked process does."""
        self.listener.close()
        for ending in self._endings:
            ending.client.close()


def _answer(client: socket.socket, line: bytes) -> None:
    with client, contextlib.suppress(OSError):
        client.sendall(line)
