"""Tests that serve gRPC in forked processes, in a pytest of their own.

A fork of a process in which gRPC has served hangs as soon as it uses gRPC itself, and tests of other rooms serve it.
Source: "gRPC and fork" (doc/fork_support.md of github.com/grpc/grpc).
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.timeout(400)
@pytest.mark.parametrize("cases", ["program_cases", "workload_api_cases"])
def test_all_cases_pass(cases: str) -> None:
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider")
    done = subprocess.run([*command, HERE / f"{cases}.py"], check=False, capture_output=True, text=True, timeout=360)
    assert done.returncode == 0, done.stdout[-5000:]
