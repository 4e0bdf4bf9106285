"""Whatever is sent, the answer is an object or a Status, soon, and the server goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.apiserver.conftest import write_files
from tests.apiserver.fuzz.guarded import Guarded
from tests.apiserver.fuzz.requests import Asked, requests
from tests.thoroughness import examples

QUICK = settings(max_examples=examples(300), deadline=None, derandomize=True, database=None)
LONG = settings(max_examples=50_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
MOST_GROWTH = 24 * 1024 * 1024
"""Bytes that a process may gain by noise: arenas that are not given back, caches that fill."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Guarded(folder).running(write_files(folder)) as server:
        yield server


@pytest.mark.proves("bad-requests-fuzzed")
@QUICK
@given(requests())
def test_any_request_has_a_proper_answer(server: Guarded, requested: Asked) -> None:
    server.endures(requested)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.proves("bad-requests-fuzzed")
@LONG
@given(requests())
def test_any_of_many_requests_has_a_proper_answer(server: Guarded, requested: Asked) -> None:
    server.endures(requested)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.proves("bad-requests-leave-nothing")
def test_refused_requests_leave_no_memory_behind(server: Guarded) -> None:
    requested = _reads_and_dry_runs(1000)
    for _ in range(3):
        _send(server, requested)
    before = _resident()
    for _ in range(10):
        _send(server, requested)
    assert _resident() - before < MOST_GROWTH
    assert server.watchers == 0


def _reads_and_dry_runs(number: int) -> list[Asked]:
    """Requests that store nothing."""
    found: list[Asked] = []

    @settings(max_examples=number, derandomize=True, database=None, phases=[Phase.generate])
    @given(requests())
    def collect(requested: Asked) -> None:
        query = {**requested.query, "dryRun": ("All",)}
        found.append(Asked(requested.method, requested.path, query, requested.headers, requested.body))

    collect()
    return [requested for requested in found if requested.method != "DELETE"]


def _send(server: Guarded, requested: list[Asked]) -> None:
    for one in requested:
        server.ask(one.method, one.path, one.body, query=one.query, headers=one.headers)


def _resident() -> int:
    """Bytes of this process in memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
