"""TCP connections that are held open while something changes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from tests.pods.cluster import Pod
from tests.pods.packets import opened

PATIENCE_SECONDS = 30.0
"""Long enough for TCP to send again what was lost while two nodes did not accept each other's packets."""


class HeldFlow:
    """Both ends of one connection."""

    def __init__(self, name: str, client: socket.socket, server: socket.socket) -> None:
        self.name = name
        self._ends = (client, server)

    def passes(self, seconds: float = PATIENCE_SECONDS, size: int = 5000) -> bool:
        """Send from each end to the other; whether all arrives in this time."""
        for sender, receiver in (self._ends, self._ends[::-1]):
            receiver.settimeout(seconds)
            sender.sendall(bytes(size))
            missing = size
            try:
                while missing:
                    missing -= len(receiver.recv(missing))
            except TimeoutError:
                return False
        return True


@contextlib.contextmanager
def held(*pods: Pod) -> Iterator[list[HeldFlow]]:
    """Connections between these pods, each to each other one, in both families."""
    with contextlib.ExitStack() as stack:
        flows = []
        for client in pods:
            for server in pods:
                for version in (4, 6) if client is not server else ():
                    address = server.address(version)
                    listener = stack.enter_context(opened(server, address, socket.SOCK_STREAM, bound=0))
                    listener.listen()
                    near = stack.enter_context(opened(client, address, socket.SOCK_STREAM))
                    near.settimeout(PATIENCE_SECONDS)
                    near.connect((address, listener.getsockname()[1]))
                    far, _ = listener.accept()
                    flows.append(HeldFlow(f"{client.name} to {address}", near, stack.enter_context(far)))
        yield flows
