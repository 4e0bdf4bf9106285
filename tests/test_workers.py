"""Forked workers report as pytest itself does, and keep what outlives a file of tests until their end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CONFTEST = """
import os, pathlib, pytest

@pytest.fixture(scope="session")
def cluster():
    (pathlib.Path("started") / str(os.getpid())).touch()
    yield
    (pathlib.Path("ended") / str(os.getpid())).touch()
"""

FILES = {
    "test_good": "def test_one(cluster): pass\ndef test_two(cluster): pass",
    "test_more": "def test_other(cluster): pass",
    "test_bad": "def test_wrong(cluster): assert 1 + 1 == 3, 'sums'",
    "test_late": "import pytest\n@pytest.mark.skip('for a reason')\ndef test_skipped(): pass",
    "test_next": "import os\ndef test_without(): assert os.listdir('ended') == [str(os.getpid())]",
    "test_the_last": "import os\ndef test_ends_the_worker(): os._exit(1)",
}


@pytest.fixture
def tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeconftest(CONFTEST)
    pytester.mkdir("started")
    pytester.mkdir("ended")
    return pytester


def run(tests: pytest.Pytester, *names: str, workers: int = 2) -> pytest.RunResult:
    tests.makepyfile(**{name: FILES[name] for name in names})
    plugins = ("-p", "no:cacheprovider", "-p", "no:podwire", "-p", "no:hypothesispytest", "-p", "no:asyncio")
    return tests.runpytest_subprocess("-ra", "-p", "tests.workers", "--workers", str(workers), *plugins)


def test_all_tests_are_reported_once(tests: pytest.Pytester) -> None:
    result = run(tests, "test_good", "test_more", "test_bad", "test_late")
    result.assert_outcomes(passed=3, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*AssertionError: sums*", "SKIPPED*for a reason*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    workers = os.listdir("started")
    assert 1 <= len(workers) <= 2
    assert set(os.listdir("ended")) == set(workers)


def test_a_worker_that_ends_has_failed_its_test(tests: pytest.Pytester) -> None:
    result = run(tests, "test_good", "test_the_last")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED test_the_last.py::test_ends_the_worker*"])


def test_the_shared_world_ends_when_no_more_tests_use_it(tests: pytest.Pytester) -> None:
    run(tests, "test_good", "test_more", "test_next", workers=1).assert_outcomes(passed=4)
    assert len(os.listdir("started")) == 1
