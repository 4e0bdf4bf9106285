"""From the host's side: make the first process of a world in its own namespaces."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from podwire.kernel import namespaces
from podwire.lab.host import userns
from podwire.lab.relay import low_ports
from podwire.lab.relay.published import PublishedPort
from podwire.lab.supervisor.filesystems import prepare_mounts
from podwire.lab.supervisor.init import Init, WorldSpec

Child = Callable[[], WorldSpec]


class LaunchError(Exception):
    """A world could not be started. The text has the reason and the remedy."""


def api_listener(port: int) -> socket.socket:
    """The loopback listener of the world's API server; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise LaunchError(
                f"--api-port {port}: is taken on 127.0.0.1; choose another, or 0 for a free one"
            ) from None
        raise LaunchError(f"--api-port {port}: {error.strerror}; choose a port from 1024 up") from None
    return listener


def published_sockets(ports: Sequence[PublishedPort]) -> dict[str, socket.socket]:
    """The sockets of `--publish` by their descriptors' names. Raises LaunchError; then none is open."""
    found: dict[str, socket.socket] = {}
    try:
        for port in ports:
            found[port.descriptor] = _published(port)
    except LaunchError:
        for one in found.values():
            one.close()
        raise
    return found


def _published(port: PublishedPort) -> socket.socket:
    try:
        return low_ports.bind(port.protocol, "127.0.0.1", port.host_port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LaunchError(f"--publish {port}: the port is taken on 127.0.0.1; choose another") from None
        raise LaunchError(f"--publish {port}: {error.strerror}; choose a port from 1024 up") from None


def first_process(spec: WorldSpec, id_map: userns.IdMap) -> int:
    """Start pid 1 of a world; returns its process id on the host.

    The child makes its user namespace and waits; this process writes the maps, as only it may; then the child makes
    the other namespaces and forks pid 1. Raises UserNamespaceError where the host forbids it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        _middle(spec, theirs)
    theirs.close()
    with ours:
        try:
            _expect(ours.recv(64), child)
            _map_ids(child, id_map)
            ours.send(b"mapped")
            return int(_expect(ours.recv(64), child))
        finally:
            ours.close()  # the child must not wait for a message that will not come
            os.waitpid(child, 0)


def _map_ids(child: int, id_map: userns.IdMap) -> None:
    try:
        userns.write_maps(child, id_map)
    except OSError as error:
        raise userns.refusal(error.errno or errno.EPERM) from error


def _expect(message: bytes, child: int) -> bytes:
    """Return the child's message. Raises its error."""
    word, _, rest = message.partition(b" ")
    if word == b"refused":
        raise userns.refusal(int(rest))
    if word not in {b"made", b"pid"}:
        raise LaunchError(f"the first process ended before it was ready (child {child}); see the world's init.log")
    return rest


def _middle(spec: WorldSpec, parent: socket.socket) -> None:
    """In the child: never returns."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)  # how `up` ends is not how pid 1 and its children do
        os.setsid()
        namespaces.unshare(namespaces.CLONE_NEWUSER)
        parent.send(b"made ")
        if not parent.recv(64):
            os._exit(1)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        namespaces.unshare(namespaces.CLONE_NEWPID)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            parent.close()
            os.close(reader)
            _first(spec, writer)
        os.close(writer)
        answer = os.read(reader, 64)
        parent.send(b"pid %d" % pid if answer == b"ready" else answer or b"ended")
    except OSError as error:
        parent.send(b"refused %d" % (error.errno or errno.EPERM))
    finally:
        os._exit(0)


def _first(spec: WorldSpec, ready: int) -> None:
    """pid 1: finish its namespaces, detach from the terminal, run the event loop."""
    try:
        namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC)
        _detach(spec.logs / "init.log", keep={ready, spec.lifeline, *spec.descriptors.values()})
        prepare_mounts(spec.nodes)
        namespaces.sethostname(f"podwire-{spec.name}")
        namespaces.set_process_name("pw-init")
        init = Init(spec)
        os.write(ready, b"ready")
        os.close(ready)
    except OSError as error:
        sys.stderr.write(f"init: {error}\n")
        os.write(ready, b"refused %d" % (error.errno or errno.EPERM))
        os._exit(1)
    try:
        init.run()
    except BaseException:
        with contextlib.suppress(OSError):
            os.write(2, f"init: ended by an error: {traceback.format_exc()}".encode())
    finally:
        os._exit(1)


def _detach(log: Path, keep: set[int]) -> None:
    """Standard streams to the log, everything else that was open closed, away from the caller's folder."""
    null = os.open("/dev/null", os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue
    os.chdir("/")
    os.umask(0o022)
