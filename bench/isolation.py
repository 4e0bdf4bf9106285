"""Samples in processes of their own: fresh namespaces for each; what a sample forks ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from tests.sandbox import enter_sandbox

from podwire.kernel import namespaces
from podwire.kernel.namespaces import PR_SET_PDEATHSIG, prctl

ResultT = TypeVar("ResultT")

_CONTEXT = get_context("fork")


class UnsuitableMachineError(Exception):
    """A sample needs what this machine does not have. The text says what, and how to get it."""


class NotRootError(UnsuitableMachineError):
    """A sample needs root of the machine itself."""


def in_sandbox(sample: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """One sample in a process and namespaces of its own. Raises UnsuitableMachineError where the sample does."""
    return _isolated(enter_sandbox, sample, arguments)


def in_prior_sandbox(sample: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """The same at real-time priority where that is allowed: what else this machine does disturbs it little."""
    return _isolated(_enter_prior_sandbox, sample, arguments)


def in_root_sandbox(sample: Callable[..., ResultT], *arguments: Any) -> ResultT:
    """The same in the machine's own user namespace, where the buffers of netlink have no limit. Raises NotRootError."""
    if os.geteuid() != 0:
        raise NotRootError("root of this machine is needed: netlink takes no larger transactions from others")
    return _isolated(_enter_root_sandbox, sample, arguments)


def _enter_prior_sandbox() -> None:
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    enter_sandbox()


def _enter_root_sandbox() -> None:
    namespaces.unshare(namespaces.CLONE_NEWNET | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWIPC)
    namespaces.mount("none", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
    namespaces.mount("none", "/run", "tmpfs")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def end_with_parent() -> None:
    """End this process when the one that started it ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _isolated(enter: Callable[[], None], sample: Callable[..., ResultT], arguments: tuple[Any, ...]) -> ResultT:
    here, there = _CONTEXT.Pipe()

    def run() -> None:
        end_with_parent()
        enter()
        try:
            there.send(sample(*arguments))
        except UnsuitableMachineError as error:
            there.send(error)

    process = _CONTEXT.Process(target=run)
    process.start()
    there.close()
    try:
        result: ResultT | UnsuitableMachineError = here.recv()
    except EOFError:
        raise RuntimeError(f"the sample {sample.__name__} ended without a result; its error is printed above") from None
    process.join()
    if isinstance(result, UnsuitableMachineError):
        raise result
    return result


def fork(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that ends with this one at the latest."""

    def run() -> None:
        end_with_parent()
        target(*arguments)

    process = _CONTEXT.Process(target=run)
    process.start()
    return process


@contextlib.contextmanager
def background(target: Callable[..., None], *arguments: Any) -> Iterator[BaseProcess]:
    """A process that works inside the block and is ended after it."""
    process = fork(target, *arguments)
    try:
        yield process
    finally:
        process.terminate()
        process.join()


def together(count: int, work: Callable[[int, Callable[[], Any]], ResultT]) -> list[ResultT]:
    """The results of so many processes. Each calls its second argument when it is ready, and goes on with all."""
    pipes = []
    barrier = _CONTEXT.Barrier(count)

    def run(number: int, pipe: Any) -> None:
        pipe.send(work(number, barrier.wait))

    for number in range(count):
        here, there = _CONTEXT.Pipe()
        pipes.append((here, fork(run, number, there)))
        there.close()
    results = [pipe.recv() for pipe, _ in pipes]
    for _, process in pipes:
        process.join()
    return results


def processor_seconds(pid: int, *, children: bool = False) -> float:
    """Processor time of a process so far, and if wanted of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")


def proportional_set_size(pid: int) -> int:
    """Bytes of a process's memory, shared pages counted in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"process {pid} has no Pss")
