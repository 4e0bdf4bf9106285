"""Run tests in forked workers that share one collection: `python -m pytest -p tests.workers --workers 3`.

Workers of pytest-xdist import and collect all tests again, each for 12 s of processor time. A fork has them at once.
A worker takes whole files, in the order of collection.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from multiprocessing.connection import Connection, Pipe, wait

import pytest

from tests.sandbox import end_with_parent

_INDEX_BYTES = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, metavar="N", help="Run files of tests in N forked processes.")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests in workers; collections alone and those with errors are pytest's own business."""
    count: int = session.config.getoption("workers")
    if not count or session.testsfailed or session.config.option.collectonly:
        return None
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    files = [list(group) for _, group in groupby(session.items, key=lambda item: item.path)]
    queue = _queue(len(files))
    workers = [_fork(session, files, queue, number) for number in range(count)]
    os.close(queue)
    try:
        _gather(session, workers)
    except BaseException:
        for worker in workers:
            os.kill(worker.pid, signal.SIGINT)
        raise
    finally:
        for worker in workers:
            os.waitpid(worker.pid, 0)
    return True


def _queue(count: int) -> int:
    """A pipe from which each reader takes the next file's number; a read of all bytes of one is atomic."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        assert count * _INDEX_BYTES < os.fpathconf(writer, "PC_PIPE_BUF") * 16, "the pipe holds all numbers"
        pipe.write(b"".join(index.to_bytes(_INDEX_BYTES, "big") for index in range(count)))
    return reader


@dataclass
class Worker:
    """A forked process, the pipe of its reports, and the test that it runs."""

    pid: int
    reports: Connection
    current: str = ""


def _gather(session: pytest.Session, workers: Sequence[Worker]) -> None:
    """Report what workers report. One that ends before its last word has failed the test that it ran."""
    hook = session.config.hook
    running = {worker.reports: worker for worker in workers}
    while running:
        for reports in wait(list(running)):
            worker = running[reports]  # type: ignore[index]
            try:
                message = worker.reports.recv()
            except EOFError:
                message = None
                hook.pytest_runtest_logreport(report=_crash(worker.current))
            if message is None:
                del running[worker.reports]
            elif isinstance(message, str):
                worker.current = message
            else:
                report = hook.pytest_report_from_serializable(config=session.config, data=message)
                hook.pytest_runtest_logreport(report=report)


def _crash(test: str) -> pytest.TestReport:
    file, _, name = test.partition("::")
    words = "the worker ended during this test"
    return pytest.TestReport(test, (file, None, name), {}, "failed", words, "call")


def _fork(session: pytest.Session, files: Sequence[Sequence[pytest.Item]], queue: int, number: int) -> Worker:
    reader, writer = Pipe(duplex=False)
    pid = os.fork()
    if pid:
        writer.close()
        return Worker(pid, reader)
    try:
        reader.close()
        end_with_parent()
        os.environ["PYTEST_XDIST_WORKER"] = f"gw{number}"  # pytest-xdist's name: worlds are named after it
        _work(session, _taken(files, queue), writer)
        writer.send(None)
    finally:
        os._exit(0)


def _taken(files: Sequence[Sequence[pytest.Item]], queue: int) -> Iterator[Sequence[pytest.Item]]:
    while index := os.read(queue, _INDEX_BYTES):
        yield files[int.from_bytes(index, "big")]


def _work(session: pytest.Session, files: Iterator[Sequence[pytest.Item]], writer: Connection) -> None:
    """Run tests. The next file is taken before the last test of one ends, for fixtures that both use."""
    config = session.config
    config.get_terminal_writer()._file = open(os.devnull, "w")  # noqa: SIM115 - for the process's life
    config.pluginmanager.register(_Reporter(config, writer))
    run = config.hook.pytest_runtest_protocol
    try:
        file = next(files, ())
        while file:
            for item, after in pairwise(file):
                run(item=item, nextitem=after)
            following = next(files, ())
            kept = following and (_shares(following) or not _shares(file))
            run(item=file[-1], nextitem=following[0] if kept else None)
            file = following
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal and the parent may both send one
        session._setupstate.teardown_exact(None)


def _shares(file: Sequence[pytest.Item]) -> bool:
    """Whether tests of this file use the shared world, which ends after the last ones: idle it takes 3 % of a core."""
    return any("cluster" in getattr(item, "fixturenames", ()) for item in file)


@dataclass(frozen=True)
class _Reporter:
    """The plugin that sends a worker's reports."""

    config: pytest.Config
    writer: Connection

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.writer.send(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self.config.hook
        self.writer.send(hook.pytest_report_to_serializable(config=self.config, report=report))
