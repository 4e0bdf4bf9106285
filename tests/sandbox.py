"""Run a test as root of its own user, network and mount namespaces: nothing that it does outlives it.

The body of the test runs in a forked child, so that namespaces can be changed freely and all of them are gone with it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import ipaddress
import os
import pickle
import signal
import subprocess
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from podwire.kernel import links, namespaces
from podwire.kernel.netlink import Netlink
from podwire.lab.base import paths
from podwire.lab.base.exit_ring import ExitRing
from podwire.lab.container import process
from podwire.lab.host import userns
from podwire.lab.supervisor.filesystems import prepare_mounts

if TYPE_CHECKING:
    from collections.abc import Callable

RUN_BYTES = 4 << 30
"""Tests keep images there too, which are not loaded where they would fill a disk."""

_RTF_LOCAL = 0x80000000
"""Of linux/ipv6_route.h."""

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")


def sandboxed(test: FunctionT) -> FunctionT:
    """Decorate a test (plain or async): its body runs in the sandbox, its failure is reported as usual."""
    return _isolated(test, enter_sandbox)


def in_world(test: FunctionT) -> FunctionT:
    """Decorate a test: its body runs in a sandbox like a world: own pid namespace, the best id map.

    pid 1 reaps orphans and writes down how they ended, as the first process of a world does.
    """
    return _isolated(test, enter_world)


def _isolated(test: FunctionT, enter: Callable[[], None]) -> FunctionT:
    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(test, arguments, named, writer, enter)
        os.close(writer)
        try:
            with os.fdopen(reader, "rb") as pipe:
                report = pipe.read()
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.waitpid(pid, 0)
        failure = pickle.loads(report) if report else "the sandboxed test ended without a report"
        if failure:
            raise AssertionError(failure)

    if inspect.iscoroutinefunction(test):
        # pytest-asyncio must not take the wrapper for a coroutine function: the child has a loop of its own.
        del run.__wrapped__
        run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run  # type: ignore[return-value]


def _child(test: Callable[..., Any], arguments: Any, named: Any, writer: int, enter: Callable[[], None]) -> None:
    """Never returns: the child of a test runner must not run the runner's own exit code."""
    failure = ""
    try:
        enter()
        end_with_parent()
        result = test(*arguments, **named)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except BaseException:
        failure = traceback.format_exc()
    finally:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(failure))
        os._exit(0)


def end_with_parent() -> None:
    """End this process when its parent does: no process of a killed run stays behind."""
    namespaces.prctl(namespaces.PR_SET_PDEATHSIG, signal.SIGKILL)


def enter_sandbox() -> None:
    """Move this single-threaded process into new user, network, mount and pid-less namespaces as their root."""
    uid, gid = os.geteuid(), os.getegid()
    namespaces.unshare(
        namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWIPC
    )
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount("none", "/run", "tmpfs")
    bring_up("lo")


def enter_world() -> None:
    """Move into namespaces like those of a world. The process that goes on is a child of its pid 1."""
    _map_ids(userns.available_map())
    namespaces.unshare(
        namespaces.CLONE_NEWPID
        | namespaces.CLONE_NEWNET
        | namespaces.CLONE_NEWNS
        | namespaces.CLONE_NEWIPC
        | namespaces.CLONE_NEWUTS
    )
    first = os.fork()
    if first:
        end_with_parent()
        _leave_report_to_child()
        os.waitpid(first, 0)
        os._exit(0)
    end_with_parent()
    prepare_mounts(run_bytes=RUN_BYTES)
    bring_up("lo")
    ExitRing(paths.EXITS).close()
    body = os.fork()
    if body:
        _leave_report_to_child()
        _reap_until(body)


def _map_ids(id_map: userns.IdMap) -> None:
    """Enter a user namespace; only a process outside of it may write its maps, so a child that stays behind does."""
    made_reader, made_writer = os.pipe()
    owner = os.getpid()
    mapper = os.fork()
    if mapper == 0:
        code = 1
        try:
            os.close(made_writer)
            os.read(made_reader, 1)
            userns.write_maps(owner, id_map)
            code = 0
        finally:
            os._exit(code)
    os.close(made_reader)
    namespaces.unshare(namespaces.CLONE_NEWUSER)
    os.close(made_writer)
    _, status = os.waitpid(mapper, 0)
    if status:
        raise RuntimeError("the id map of the sandbox could not be written")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _leave_report_to_child() -> None:
    """Close what the test runner reads the report from: it must end with the test, not with its parents."""
    process.close_from(3)


def _reap_until(body: int) -> None:
    exits = ExitRing(paths.EXITS)
    while True:
        pid, status = os.wait()
        if pid == body:
            os._exit(0)
        exits.add(pid, status, time.time_ns())


def bring_up(link: str, network: Path | None = None) -> None:
    """Bring up a link of a network namespace, by default this thread's. Without ip(8): each start of it takes 5 ms."""
    with Netlink(network) as netlink:
        netlink.run([links.bring_up(link)])


def add_addresses(link: str, *addresses: str) -> None:
    """Give a link of this network namespace addresses, each with the length of its prefix; packets reach them at once.

    The kernel adds the local route of an IPv6 address later, even with nodad (addrconf_dad_work, net/ipv6/addrconf.c);
    until then it drops what is sent there. The link must be up.
    """
    lines = "".join(f"address add {one} dev {link}{' nodad' if ':' in one else ''}\n" for one in addresses)
    subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
    wanted = {ipaddress.ip_interface(one).ip.packed.hex() for one in addresses if ":" in one}
    deadline = time.monotonic() + 30
    while not wanted <= _local_addresses():
        assert time.monotonic() < deadline, f"no local route to {', '.join(addresses)}"
        time.sleep(0.001)


def _local_addresses() -> set[str]:
    """The IPv6 addresses with a local route in this thread's network namespace, as digits (proc_net(5))."""
    rows = [line.split() for line in Path("/proc/thread-self/net/ipv6_route").read_text().splitlines()]
    return {destination for destination, *_, flags, _ in rows if int(flags, 16) & _RTF_LOCAL}


class Host:
    """One machine of a test: a network namespace with a name, and programs run in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/test-netns") / name
        namespaces.new_network_namespace(self.path)
        bring_up("lo", self.path)

    def add_addresses(self, link: str, *addresses: str) -> None:
        """Give a link of this host addresses, each with the length of its prefix; packets reach them at once."""
        with namespaces.inside_network(self.path):
            add_addresses(link, *addresses)

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program on this host."""
        with namespaces.inside_network(self.path):
            return subprocess.Popen(command, text=True, **options)

    def run(self, *command: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program on this host to its end; standard output and error are in the result."""
        with namespaces.inside_network(self.path):
            return subprocess.run(
                command,
                check=check,
                timeout=timeout,
                text=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )


def join(left: Host, right: Host, left_name: str, right_name: str) -> None:
    """A cable between two hosts: a veth pair with these names, both ends up."""
    left.run("ip", "link", "add", left_name, "type", "veth", "peer", "name", right_name, "netns", str(right.path))
    bring_up(left_name, left.path)
    bring_up(right_name, right.path)
