"""A restart of the agent's sinks with tables in the kernel, against a cold start: processor seconds of each."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time

from bench.isolation import in_sandbox
from bench.services import Cluster
from podwire.pods.sink import PodSetSink
from podwire.policy.sink import PolicySink


async def start(services: int, endpoints: int) -> dict[str, float]:
    """Read everything back and write the difference, as an agent does that knows all objects."""
    began = time.process_time()
    for sink in (PodSetSink.sources_here(), PodSetSink.cluster_here()):
        await sink.read()
    await PolicySink.here().read()
    read = time.process_time()
    cluster = Cluster(services, endpoints)
    cluster.know()
    known = time.process_time()
    await cluster.start()
    return {
        "pods and policy, s": round(read - began, 2),
        "services, s": round(time.process_time() - known, 2),
        "peak, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def figures(services: int, endpoints: int) -> dict[str, dict[str, float]]:
    """A cold start, then a restart, each in a process of its own on the same tables."""
    found: dict[str, dict[str, float]] = {}
    for name in ("cold", "restart"):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, json.dumps(asyncio.run(start(services, endpoints))).encode())
            os._exit(0)
        found[name] = json.loads(os.read(reader, 4096))
        os.waitpid(pid, 0)
    return found


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=5_000)
    parser.add_argument("--endpoints", type=int, default=10)
    options = parser.parse_args()
    print(json.dumps(in_sandbox(figures, options.services, options.endpoints), indent=2))


if __name__ == "__main__":
    main()
