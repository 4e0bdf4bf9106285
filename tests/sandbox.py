"""Run a test as root of its own user, network and mount namespaces: nothing that it does outlives it.

The body of the test runs in a forked child, so that namespaces can be changed freely and all of them are gone with it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import pickle
import signal
import subprocess
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from podwire.kernel import namespaces

if TYPE_CHECKING:
    from collections.abc import Callable

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")


def sandboxed(test: FunctionT) -> FunctionT:
    """Decorate a test (plain or async): its body runs in the sandbox, its failure is reported as usual."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(test, arguments, named, writer)
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


def _child(test: Callable[..., Any], arguments: Any, named: Any, writer: int) -> None:
    """Never returns: the child of a test runner must not run the runner's own exit code."""
    failure = ""
    try:
        enter_sandbox()
        result = test(*arguments, **named)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except BaseException:
        failure = traceback.format_exc()
    finally:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(pickle.dumps(failure))
        os._exit(0)


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
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Host:
    """One machine of a test: a network namespace with a name, and programs run in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/test-netns") / name
        namespaces.new_network_namespace(self.path)
        self.run("ip", "link", "set", "lo", "up")

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program on this host."""
        with namespaces.inside_network(self.path):
            return subprocess.Popen(command, text=True, **options)

    def run(self, *command: str, check: bool = True, timeout: float = 20) -> subprocess.CompletedProcess[str]:
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
    left.run("ip", "link", "set", left_name, "up")
    right.run("ip", "link", "set", right_name, "up")
