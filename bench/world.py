"""Measure whole worlds by the real command line: cold start, down, memory, and a pod's way to answering."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from tests.world.harness import Home, World

from podwire.lab.host import worlds
from podwire.pods.runtime.installation import install

BACKGROUND = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  replicas: 1
  selector: {matchLabels: {app: %(name)s}}
  template:
    metadata: {labels: {app: %(name)s}}
    spec:
      containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec:
  selector: {app: %(name)s}
  ports: [{port: 80}]
"""


UNTIL_ANSWERED = """
until curl -s -o /dev/null --connect-timeout 0.1 "http://$1/"; do
  tries=$((${tries:-0} + 1)); [ $tries -lt 500 ] || exit 1; sleep 0.02
done
"""
"""A loop of its own: curl's --retry waits a second before its second try."""

IDLE_SECONDS = 6.0
"""After `up` a world still has memory of its start: its programs release that some seconds after their last work."""


def cold_start_and_down(home: Home, nodes: int) -> tuple[float, float]:
    """Seconds from the command to usable, and from `down` to gone."""
    start = time.perf_counter()
    home.podwire("up", "--quiet", "--name", "bench", "--nodes", str(nodes))
    up = time.perf_counter()
    home.podwire("down", "--name", "bench")
    return up - start, time.perf_counter() - up


@contextlib.contextmanager
def running_world(home: Home, nodes: int) -> Iterator[World]:
    """A world to measure in."""
    home.podwire("up", "--quiet", "--name", "bench", "--nodes", str(nodes))
    try:
        yield World(home, "bench")
    finally:
        home.podwire("down", "--name", "bench")


def memory(world: World) -> dict[str, float]:
    """Proportional set size of every process of a world that has come to rest, in MB, and their sum."""
    time.sleep(IDLE_SECONDS)
    sizes: dict[str, float] = {}
    for pid, name in world.processes().items():
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    sizes[f"{name} {pid}"] = int(line.split()[1]) / 1024
    return {**dict(sorted(sizes.items(), key=lambda item: -item[1])), "all": sum(sizes.values())}


def pod_to_answer(world: World, number: int) -> float:
    """Seconds from starting `kubectl apply` of a Deployment and a Service to the first HTTP answer by its name."""
    name = f"bench-{number}"
    start = time.perf_counter()
    world.apply(BACKGROUND % {"name": name})
    address = world.jsonpath(f"service {name}", "{.spec.clusterIP}")
    world.run_in("node-1", "sh", "-c", UNTIL_ANSWERED, "sh", address)
    taken = time.perf_counter() - start
    world.kubectl("delete", "deployment,service", name, "--wait=false")
    return taken


def record(world: World) -> worlds.World:
    """What the host remembers of a running world; found in the state folder of its home."""
    path = world.home.folder / "state" / "worlds" / world.name / "world.json"
    os.environ["PODWIRE_STATE"] = str(world.home.folder / "state")
    return msgspec.json.decode(path.read_bytes(), type=worlds.World)


def plugin_milliseconds(calls: int = 31) -> float:
    """The median of the CNI plugin's start and end: VERSION, which needs no agent, through the real executable."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        plugin = Path(folder) / "podwire"
        install(plugin)
        return statistics.median(_call(plugin) for _ in range(calls)) * 1e3


def _call(plugin: Path) -> float:
    began = time.perf_counter()
    environment = {"CNI_COMMAND": "VERSION", "CNI_PATH": str(plugin.parent)}
    subprocess.run([plugin], env=environment, input=b'{"cniVersion": "1.1.0"}', capture_output=True, check=True)
    return time.perf_counter() - began
