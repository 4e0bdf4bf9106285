"""The other end of a container's terminal: a process of its own, so that the terminal outlives shim and runtime."""

from __future__ import annotations

import os
import selectors
import socket
from typing import NoReturn

from podwire.kernel import namespaces
from podwire.lab.container.process import fresh_signals, settle_descriptors

CHUNK = 16 * 1024


def fork_console(source: int, target: int) -> tuple[int, socket.socket]:
    """Fork a relay between a terminal that will be sent over the returned socket and two FIFOs.

    `source` is what is typed, `target` what is shown. Answers its pid; it ends with the terminal.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _relay(theirs.fileno(), source, target)
    theirs.close()
    return pid, ours


CONNECTION, SOURCE, TARGET = 3, 4, 5


def _relay(connection: int, source: int, target: int) -> NoReturn:
    """Never returns."""
    try:
        fresh_signals()
        settle_descriptors((0, 1, 2, connection, source, target))
        namespaces.set_process_name("pw-console")
        with socket.socket(fileno=CONNECTION) as container:
            _, descriptors, _, _ = socket.recv_fds(container, 16, 1)
        if descriptors:
            _copy(descriptors[0], SOURCE, TARGET)
    finally:
        os._exit(0)


def _copy(terminal: int, source: int, target: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(terminal, selectors.EVENT_READ, target)
        selector.register(source, selectors.EVENT_READ, terminal)
        while True:
            for key, _ in selector.select():
                try:
                    data = os.read(key.fd, CHUNK)
                except OSError:
                    return  # EIO: no process has the other end open
                _write(key.data, data)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
