"""Start the first process of a container, and processes beside it. Nothing here waits for them.

A container has its own pid, mount, uts and ipc namespaces in the world's user namespace and shares its pod's network
namespace. The caller must be single-threaded, as it forks.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import signal
import socket
import sys
import termios
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NoReturn

import msgspec

from podwire.kernel import namespaces
from podwire.lab.container import capabilities
from podwire.lab.container.plan import REPORT, Call, ContainerPlan, Execute, Identity, Refuse
from podwire.lab.container.rootfs import enter_root

PR_SET_DUMPABLE = 4
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441
"""Terminal requests that Python's termios does not name (ioctl_tty(2))."""
CANNOT_START = 128
"""Exit status of a container whose program could not be started, as containerd reports it."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
JOINED = namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWNET


class Streams(msgspec.Struct, frozen=True):
    """Descriptors that become standard input, output and error.

    With `terminal` they are one descriptor three times and control the process's session. With `console`, a unix
    socket, the process makes itself a terminal of its container in their place and sends our end over the socket.
    """

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False
    console: int = -1


class Started(msgspec.Struct, frozen=True):
    """A process that was forked and waits to be released.

    `report` is readable when the program runs: then it ends, or has the error. Closing `go` unused ends the process.
    """

    pid: int
    report: int
    go: int

    def release(self) -> None:
        """Let it execute its program: its id has been recorded."""
        os.write(self.go, b"g")
        os.close(self.go)


class Place(msgspec.Struct, frozen=True):
    """Where a new container is made: its pod's network, its host name, and a folder to build its root on.

    It shares the pid namespace of the process `beside`; where that is 0 it has its own.
    """

    network: str
    hostname: str
    scratch: Path
    beside: int = 0


def start(plan: ContainerPlan, place: Place, streams: Streams) -> Started:
    """Fork the first process of a container."""

    def become() -> NoReturn:
        namespaces.enter_network(place.network)
        namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS | namespaces.CLONE_NEWIPC)
        namespaces.sethostname(place.hostname)
        enter_root(plan, place.hostname, place.scratch)
        os.makedirs(plan.folder, exist_ok=True)
        if streams.console >= 0:
            _own_terminal()
        _run(plan, plan.program)

    if place.beside:
        _children_beside(place.beside)
    else:
        namespaces.unshare(namespaces.CLONE_NEWPID)
    try:
        return fork(become, streams, (streams.console,))
    finally:
        _children_here()


def join(container: int, plan: ContainerPlan, command: tuple[str, ...], streams: Streams) -> Started:
    """Fork a process beside the first one of a running container: same namespaces, user and capabilities."""
    first = os.pidfd_open(container)

    def become() -> NoReturn:
        namespaces.setns(KEPT, JOINED | (namespaces.CLONE_NEWCGROUP if plan.image_root else 0))
        _run(plan, Execute(arguments=command))

    try:
        namespaces.setns(first, namespaces.CLONE_NEWPID)
        return fork(become, streams, (first,))
    finally:
        _children_here()
        os.close(first)


def open_terminal(container: int) -> tuple[int, int]:
    """A new pseudo terminal of a running container: our end and the container's end."""
    ours = os.open(f"/proc/{container}/root/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return ours, _other_end(ours)


def read_report(report: int) -> str:
    """What kept a process from running its program, empty where nothing did. Closes the descriptor."""
    with open(report, "rb") as pipe:
        return pipe.read().decode("utf-8", "replace")


def _children_beside(process: int) -> None:
    """Children forked from now on are in this process's pid namespace."""
    descriptor = os.pidfd_open(process)
    try:
        namespaces.setns(descriptor, namespaces.CLONE_NEWPID)
    finally:
        os.close(descriptor)


def _children_here() -> None:
    """Children forked from now on are in this process's own pid namespace again."""
    with open("/proc/self/ns/pid") as own:
        namespaces.setns(own.fileno(), namespaces.CLONE_NEWPID)


def fork(become: Callable[[], NoReturn], streams: Streams, keep: tuple[int, ...]) -> Started:
    """Fork a child that calls `become` with these streams. `keep` are its descriptors from KEPT on."""
    reader, writer = os.pipe()
    wait, go = os.pipe()
    # Until it executes the program, no process of the container may inspect the child: it is a copy of this process.
    namespaces.prctl(PR_SET_DUMPABLE, 0)
    held = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        pid = os.fork()
        if pid == 0:
            _child(become, streams, (writer, wait, *keep))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        namespaces.prctl(PR_SET_DUMPABLE, 1)
        os.close(writer)
        os.close(wait)
    return Started(pid, reader, go)


ENDING = frozenset({signal.SIGTERM})

GO, KEPT = 4, 5
"""Descriptors of the child, beside REPORT, while it is not yet the program."""


def _child(become: Callable[[], NoReturn], streams: Streams, others: tuple[int, ...]) -> NoReturn:
    """Never returns into the frames of the forking process. `others` become REPORT, GO, KEPT and so on, -1 is none."""
    try:
        fresh_signals(blocked=ENDING)
        signal.signal(signal.SIGTERM, _ended_early)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        os.setsid()
        settle_descriptors((streams.stdin, streams.stdout, streams.stderr, *others))
        if streams.terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        become()
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(REPORT, f"{error}".encode()[:4000])
    finally:
        os._exit(CANNOT_START)


def fresh_signals(blocked: Collection[signal.Signals] = ()) -> None:
    """Undo what the forking process had set up for its own signals; `blocked` ones wait, others are let through."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) is not signal.SIG_DFL:
                signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _ended_early(number: int, _: object) -> None:
    """Who ends a container that has hardly begun need not wait out its grace.

    The kernel drops what the first process of a pid namespace has no handler for (pid_namespaces(7)). A program of our
    own gets its handler only after its imports; one that is executed begins with none, as everywhere.
    """
    os._exit(128 + number)


def settle_descriptors(desired: tuple[int, ...]) -> None:
    """Make them 0, 1, 2 and so on and close everything else. All but the standard streams close on exec."""
    high = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) if number >= 0 else -1 for number in desired]
    for target, number in enumerate(high):
        if number >= 0:
            os.dup2(number, target, inheritable=target <= 2)
    close_from(len(desired))


def close_from(lowest: int) -> None:
    """Close all descriptors from this one up. Only without /proc it counts to the limit, which may be 2^30."""
    try:
        names = os.listdir("/proc/self/fd")
    except FileNotFoundError:
        os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))
        return
    for name in names:
        if int(name) >= lowest:
            with contextlib.suppress(OSError):  # the listing's own is closed already
                os.close(int(name))


def _own_terminal() -> None:
    """In the container's root: a terminal of its own becomes the standard streams; our end goes out by KEPT."""
    ours = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    theirs = _other_end(ours)
    with socket.socket(fileno=KEPT) as outside:
        socket.send_fds(outside, [b"terminal"], [ours])
    os.close(ours)
    for number in (0, 1, 2):
        os.dup2(theirs, number)
    os.close(theirs)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _other_end(terminal: int) -> int:
    fcntl.ioctl(terminal, TIOCSPTLCK, b"\0\0\0\0")
    return fcntl.ioctl(terminal, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def _run(plan: ContainerPlan, program: Execute | Call | Refuse) -> NoReturn:
    if not os.read(GO, 1):
        os._exit(CANNOT_START)
    _become(plan.identity)
    os.chdir(plan.folder)
    os.umask(0o022)
    match program:
        case Execute():
            _execute(program, plan.environment)
        case Call():
            _call(program, plan.environment)
        case Refuse():
            raise RuntimeError(program.message)


def _execute(program: Execute, environment: Mapping[str, str]) -> NoReturn:
    name = program.file or program.arguments[0]
    try:
        os.execvpe(name, program.arguments, environment)
    except FileNotFoundError:
        where = "no such file" if "/" in name else "executable file not found in $PATH"
        raise RuntimeError(f'exec: "{name}": {where}') from None
    except OSError as error:
        raise RuntimeError(f'exec: "{name}": {error.strerror}') from None


def _call(program: Call, environment: Mapping[str, str]) -> NoReturn:
    os.environ.clear()
    os.environ.update(environment)
    # The streams live as long as the process; what sys had before belonged to the forking one.
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    module, _, name = program.function.partition(":")
    namespaces.set_process_name(module.rpartition(".")[2])
    function = getattr(importlib.import_module(module), name)
    os.closerange(GO if program.reports else REPORT, KEPT + 1)
    code = 0
    try:
        function(program.arguments)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)


def _become(identity: Identity) -> None:
    """Take on user, groups and capabilities; the order matters, as each step needs what the next one gives up."""
    held = frozenset(identity.capabilities)
    capabilities.bound(held)
    _set_groups(identity)
    os.setresgid(identity.group, identity.group, identity.group)
    os.setresuid(identity.user, identity.user, identity.user)
    capabilities.hold(held if identity.user == 0 else ())
    if identity.no_new_privileges:
        namespaces.prctl(namespaces.PR_SET_NO_NEW_PRIVS, 1)
    # Changing the user made this process undumpable, which would lock the runtime out of a forked program's /proc.
    namespaces.prctl(PR_SET_DUMPABLE, 1)


def _set_groups(identity: Identity) -> None:
    if not identity.groups and Path("/proc/self/setgroups").read_text().strip() == "deny":
        return  # a world with a single id: its processes keep the caller's groups, which count for nothing inside
    os.setgroups([group for group in identity.groups if group != identity.group])
