"""One running container as its shim holds it: first process, output on its way to the log, input.

Output goes through named FIFOs which the container holds open for reading and writing: it never gets SIGPIPE, and what
it writes while it has no reader waits there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from podwire.lab.base import pidfd as processes
from podwire.lab.container import crun, process
from podwire.lab.container.console import fork_console
from podwire.lab.container.plan import ContainerPlan, PodPlan
from podwire.lab.shim.cri_log import entries
from podwire.lab.shim.lifecycle import Record, Running, Terminated
from podwire.lab.shim.log_file import LogFile, log_path
from podwire.lab.shim.termination_message import provide, termination_message

CHUNK = 64 * 1024
LAST_OUTPUT_SECONDS = 1.0
"""How long an ended container's output is waited for; a process that joined it may hold its FIFO longer."""

STREAMS = ("stdout", "stderr")

UNKNOWN_EXIT_CODE = 137
UNKNOWN_EXIT_MESSAGE = "The container could not be located when the pod was terminated"
"""Of a container whose end was not recorded. Source: kubelet `kubelet_pods.go` convertToAPIContainerStatuses."""


class Pump:
    """Copies one stream from its FIFO to the log. `ended` is set when it has no writer any more."""

    def __init__(self, fifo: Path, stream: str, log: LogFile) -> None:
        self.ended = asyncio.Event()
        self._stream = stream
        self._log = log
        self._file = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def start(self) -> None:
        """Begin to read: another process holds the writing end now."""
        asyncio.get_running_loop().add_reader(self._file, self._readable)

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._file, CHUNK)
            if not data:
                self.close()
                return
            self._log.write(entries(data, self._stream, time.time_ns()))

    def close(self) -> None:
        """Stop reading and close the FIFO."""
        if not self.ended.is_set():
            asyncio.get_running_loop().remove_reader(self._file)
            os.close(self._file)
            self.ended.set()


@dataclass(slots=True)
class Run:
    """A container that runs. `pidfd` names its first process; `report` is open until its program runs."""

    plan: ContainerPlan
    folder: Path
    pid: int
    pidfd: int
    started: float
    log: LogFile
    own: bool = True
    report: int = -1
    stdin: int = -1
    pumps: list[Pump] = field(default_factory=list)
    killed_after: asyncio.TimerHandle | None = None

    @property
    def running(self) -> Running:
        """The state to write down."""
        return Running(pid=self.pid, ticks=processes.start_ticks(self.pid), started=self.started)

    async def program_runs(self) -> str:
        """Return when the program runs, with an empty text, or with what kept it from running."""
        if self.report < 0:
            return ""
        try:
            await processes.readable(self.report)
        finally:
            report, self.report = self.report, -1
        return process.read_report(report)

    async def ended(self) -> Terminated:
        """Return when the first process has ended and its output is in the log."""
        status: int | None
        if self.own:
            status = await processes.wait_child(self.pid)
        else:
            status = await processes.wait_orphan(self.pid, self.pidfd, self.started)
        finished = time.time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_OUTPUT_SECONDS):
                for pump in self.pumps:
                    await pump.ended.wait()
        self._release()
        how = terminated(status, self.started, finished)
        from_log = self.plan.message_from_log and how.exit_code != 0
        message = termination_message(self.folder, self.log.path, from_log=from_log)
        return msgspec.structs.replace(how, message=message)

    def stop(self, grace_seconds: float) -> None:
        """Send SIGTERM, or the image's stop signal, now; SIGKILL after the grace period."""
        processes.send_signal(self.pidfd, self.plan.stop_signal)
        if self.killed_after is not None:
            self.killed_after.cancel()
        loop = asyncio.get_running_loop()
        self.killed_after = loop.call_later(grace_seconds, processes.send_signal, self.pidfd, signal.SIGKILL)

    def close_input(self) -> None:
        """Close its standard input."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def _release(self) -> None:
        if self.killed_after is not None:
            self.killed_after.cancel()
        for pump in self.pumps:
            pump.close()
        self.close_input()
        self.log.close()
        os.close(self.pidfd)


def terminated(status: int | None, started: float, finished: float) -> Terminated:
    """Return a wait status as Kubernetes reports it: 128 plus the number of a signal; None is unknown."""
    if status is None:
        return Terminated(
            exit_code=UNKNOWN_EXIT_CODE,
            reason="ContainerStatusUnknown",
            message=UNKNOWN_EXIT_MESSAGE,
            started=started,
            finished=finished,
        )
    code = os.waitstatus_to_exitcode(status)
    number = -code if code < 0 else 0
    exit_code = 128 + number if number else code
    return Terminated(
        exit_code=exit_code,
        signal=number,
        reason="Error" if exit_code else "Completed",
        started=started,
        finished=finished,
    )


def folder_of(pod: Path, name: str) -> Path:
    """Where a container's FIFOs are."""
    return pod / "containers" / name


async def start(
    pod: Path, plan: PodPlan, requested: ContainerPlan, run: int, beside: int = 0
) -> tuple[Run, process.Started]:
    """Fork a container, into the pid namespace of `beside` where that is given. Raises OSError.

    It waits to be released, so that it can be written down first.
    """
    folder = folder_of(pod, requested.name)
    (folder / "root").mkdir(parents=True, exist_ok=True)
    provide(folder)
    log = LogFile(log_path(pod, requested.name, run))
    pumps = [Pump(_fifo(folder / stream, requested), stream, log) for stream in STREAMS]
    stdout, stderr = (os.open(folder / stream, os.O_RDWR | os.O_CLOEXEC) for stream in STREAMS)
    stdin, write_end = _input(folder, requested)
    for pump in pumps:
        pump.start()
    try:
        place = process.Place(plan.network, plan.hostname, folder / "root", beside)
        started = await _begin(requested, place, (stdin, stdout, stderr))
    except BaseException:
        for pump in pumps:
            pump.close()
        if write_end >= 0:
            os.close(write_end)
        log.close()
        raise
    finally:
        for number in (stdin, stdout, stderr):
            os.close(number)
    pidfd = os.pidfd_open(started.pid)
    run_now = Run(
        requested, folder, started.pid, pidfd, time.time(), log, report=started.report, stdin=write_end, pumps=pumps
    )
    return run_now, started


async def _begin(requested: ContainerPlan, place: process.Place, descriptors: tuple[int, int, int]) -> process.Started:
    stdin, stdout, stderr = descriptors
    if not requested.terminal:
        return await _fork(requested, place, process.Streams(stdin, stdout, stderr))
    relay, connection = fork_console(stdin, stdout)
    _reap(relay)
    with connection:
        streams = process.Streams(stdin, stdout, stderr, console=connection.fileno())
        return await _fork(requested, place, streams)


async def _fork(requested: ContainerPlan, place: process.Place, streams: process.Streams) -> process.Started:
    """The first process: our child where the machine's programs run, else one that crun makes and we inherit."""
    if not requested.image_root:
        return process.start(requested, place, streams)
    launch = crun.launch(requested, place, streams)
    _reap(launch.launcher)
    await processes.readable(launch.started_pipe)
    return launch.started()


def _reap(child: int) -> None:
    task = asyncio.get_running_loop().create_task(processes.wait_child(child))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _fifo(path: Path, requested: ContainerPlan) -> Path:
    """Make a FIFO that the container's user can open again by /dev/stdout, and no other user of the world."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    os.chown(path, requested.identity.user, requested.identity.group)
    return path


def _input(folder: Path, requested: ContainerPlan) -> tuple[int, int]:
    """The container's standard input and, where it may end, the writing end that keeps it open until then."""
    if not requested.stdin:
        flags = os.O_RDWR if requested.terminal else os.O_RDONLY
        return os.open(
            _fifo(folder / "stdin", requested) if requested.terminal else "/dev/null", flags | os.O_CLOEXEC
        ), -1
    path = _fifo(folder / "stdin", requested)
    if requested.terminal or not requested.stdin_once:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC), -1
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    write_end = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.set_blocking(reader, True)
    return reader, write_end


def adopt(pod: Path, requested: ContainerPlan, record: Record, state: Running) -> Run | None:
    """Take over a container of a dead shim; None when it has ended meanwhile."""
    try:
        pidfd = os.pidfd_open(state.pid)
    except ProcessLookupError:
        return None
    if processes.start_ticks(state.pid) != state.ticks:
        os.close(pidfd)
        return None
    log = LogFile(log_path(pod, requested.name, record.starts - 1))
    pumps = [Pump(folder_of(pod, requested.name) / stream, stream, log) for stream in STREAMS]
    for pump in pumps:
        pump.start()
    return Run(requested, folder_of(pod, requested.name), state.pid, pidfd, state.started, log, own=False, pumps=pumps)
