"""Ports below 1024 on the host's loopback: a process of root's that stays outside of the world binds them.

A world is in a user namespace, so that even one that root started may not bind them in the host's network namespace.
`up` forks this process where that makes a difference. It does nothing but bind loopback addresses, and ends when the
world does: then the other end of its socket is closed.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import os
import signal
import socket
from typing import NoReturn

from podwire.kernel import namespaces
from podwire.lab.container import capabilities

LONGEST = 512
FIRST_FREE = 1024
BACKLOG = 512
SECONDS = 2.0
"""How long a client waits for an answer."""

RIGHTS = frozenset({"NET_BIND_SERVICE"})
"""The only capability that the process keeps."""

TYPES = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def is_of_use() -> bool:
    """Whether this process may bind ports below 1024 and processes of its worlds may not."""
    probe = f"127.0.0.1:{FIRST_FREE - 1}"
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        if int(file.read()) <= 1:
            return False
    address, _, port = probe.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.bind((address, int(port)))
        except OSError as error:
            return error.errno == errno.EADDRINUSE  # the kernel has checked the right before
    return True


def start() -> tuple[int, int]:
    """Fork the process. Returns the descriptor of its clients' end, and its process id."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        _become(theirs.detach())
    theirs.close()
    return ours.detach(), pid


def _become(connection: int) -> NoReturn:
    """Keep this one descriptor, and serve. Never returns."""
    try:
        os.setsid()
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # how `up` ends is not how this process does
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) != connection:
                with contextlib.suppress(OSError):  # the listing's own
                    os.close(int(name))
        os.chdir("/")
        namespaces.set_process_name("pw-low-ports")
        capabilities.bound(RIGHTS)
        capabilities.hold(RIGHTS)
        with socket.socket(fileno=connection) as clients:
            serve(clients)
    finally:
        os._exit(0)


def serve(clients: socket.socket) -> None:
    """Answer requests until all other ends are closed."""
    while desired := clients.recv(LONGEST):
        number = errno.EINVAL
        try:
            protocol, address, port = json.loads(desired)
            bound = _bound(str(protocol), str(address), int(port))
        except OSError as error:
            number = error.errno or number
        except (ValueError, KeyError, TypeError):
            pass
        else:
            with bound:
                socket.send_fds(clients, [desired], [bound.fileno()])
            continue
        clients.send(b"%d %s" % (number, desired))


def _bound(protocol: str, address: str, port: int) -> socket.socket:
    """Raise ValueError for anything but a port below 1024 of an IPv4 loopback address."""
    if not ipaddress.IPv4Address(address).is_loopback or not 0 < port < FIRST_FREE:
        raise ValueError(address)
    return bind(protocol, address, port)


def bind(protocol: str, address: str, port: int) -> socket.socket:
    """A socket that is bound, and listens where the protocol is TCP. Raises OSError."""
    found = socket.socket(socket.AF_INET, TYPES[protocol])
    try:
        if protocol == "TCP":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
        if protocol == "TCP":
            found.listen(BACKLOG)
    except BaseException:
        found.close()
        raise
    return found


def request(server: socket.socket, protocol: str, address: str, port: int) -> socket.socket:
    """Have the process bind a port. One request at a time. Raises OSError: the kernel's reason, or a timeout.

    Answers to a client that died before it read them are skipped: an answer repeats its request.
    """
    desired = json.dumps([protocol, address, port]).encode()
    server.settimeout(SECONDS)
    server.send(desired)
    while True:
        answer, descriptors, _, _ = socket.recv_fds(server, LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        if sockets and answer == desired:
            return sockets[0]
        for other in sockets:
            other.close()
        number, _, rest = answer.partition(b" ")
        if rest == desired:
            raise OSError(int(number), os.strerror(int(number)))
        if not answer:
            raise ConnectionResetError(errno.ECONNRESET, "the process for ports below 1024 has ended")
