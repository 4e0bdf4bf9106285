"""Requests as fast as a server answers them, from wrk: rate and latency. Each connection waits for its answer.

wrk is one process with one thread, so it takes one processor; the server under test has the other.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.isolation import UnsuitableMachineError

PEERS = Path(sys.prefix, "peers")


class NoLoadClientError(UnsuitableMachineError):
    """wrk is not on this machine. The text names the command that brings it."""


@dataclass(frozen=True)
class Load:
    """What one run measured. Latencies are in milliseconds; `failed` are answers of another status than 2xx or 3xx."""

    rate: float
    median: float
    p99: float
    failed: int


def measure(
    url: str, seconds: float, *, connections: int = 32, host: str = "", headers: Mapping[str, str] | None = None
) -> Load:
    """Load a URL for some seconds. `host` is the Host header. Raises NoLoadClientError, RuntimeError."""
    named = {**({"Host": host} if host else {}), **(headers or {})}
    words = [word for name, value in named.items() for word in ("-H", f"{name}: {value}")]
    client, found = _client()
    run = [client, "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--latency", *words]
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        script = Path(folder, "report.lua")
        script.write_text(_REPORT)
        done = subprocess.run([*run, "-s", str(script), url], env=found, capture_output=True, text=True, check=False)
    match = _RESULT.search(done.stdout)
    if match is None:
        raise RuntimeError(f"wrk measured nothing: {done.stdout}{done.stderr}")
    requests, microseconds, median, p99, failed, broken = map(float, match.groups())
    if broken:
        raise RuntimeError(f"{broken:.0f} connections failed: {url}")
    return Load(requests / microseconds * 1e6, median / 1000, p99 / 1000, int(failed))


_REPORT = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("result %d %d %d %d %d %d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""
_RESULT = re.compile(r"^result" + r" (\d+)" * 6, re.MULTILINE)


def _client() -> tuple[str, dict[str, str]]:
    """Return wrk and its environment: unpacked, it has its library beside it."""
    unpacked = PEERS / "usr/bin/wrk"
    if unpacked.is_file():
        folders = (str(one.parent) for one in (PEERS / "usr/lib").glob("*/libluajit-5.1.so.2"))
        return str(unpacked), {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}
    if installed := shutil.which("wrk"):
        return installed, dict(os.environ)
    raise NoLoadClientError("wrk is missing: sh tools/peers.sh wrk libluajit-5.1-2")
