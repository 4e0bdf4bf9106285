"""One sample of the tree whose Python runs this: `python - NAME SIZE <bench/before_probe.py`, in that tree's folder.

It uses only what this tree has and what the tree of an older version had: the command line, and the bench's names.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.world.harness import Home, World

from bench import api_watches, api_writes, endpoint_change, world
from bench.isolation import in_sandbox

Sample = Iterator[tuple[str, float]]
REST_SECONDS = 2.0
"""An agent that has used no processor time for this long has written everything."""
START_SECONDS = 60.0
"""The longest that the next agent may take to start."""


PACKETS = """
import ctypes, os, signal, socket, subprocess, time
NEW_NETWORK, libc = 0x40000000, ctypes.CDLL(None)
def host(number):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        libc.prctl(1, signal.SIGKILL)
        libc.unshare(NEW_NETWORK)
        os.write(writer, b"x")
        signal.pause()
    os.read(reader, 1)
    inside = f"nsenter --net=/proc/{pid}/ns/net ip"
    for line in (
        f"ip link add out{number} type veth peer name eth0 netns {pid}",
        f"ip address add 10.77.{number}.1/24 dev out{number}",
        f"ip link set out{number} up",
        f"{inside} address add 10.77.{number}.2/24 dev eth0",
        f"{inside} link set eth0 up",
        f"{inside} route add default via 10.77.{number}.1",
    ):
        subprocess.run(line.split(), check=True)
    libc.setns(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY), NEW_NETWORK)
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((f"10.77.{number}.2", 5000))
    libc.setns(home, NEW_NETWORK)
    return made
home = os.open("/proc/self/ns/net", os.O_RDONLY)
client, server = host(1), host(2)
client.settimeout(10), server.settimeout(10)
client.connect(("10.77.2.2", 5000))
client.send(b"x")
server.sendto(b"x", server.recvfrom(9)[1])
client.recv(9)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
best = []
for _ in range(30):
    began = time.perf_counter_ns()
    for _ in range(10_000):
        client.send(b"x")
    best.append((time.perf_counter_ns() - began) / 10_000)
print(min(best))
"""
"""The least of 30 samples: other work on the machine only adds to it."""


@contextmanager
def running(nodes: int) -> Iterator[World]:
    """A world in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, world.running_world(Home(Path(folder)), nodes=nodes) as one:
        yield one


def agent(one: World, before: int = 0) -> int:
    """The process id of the agent; waits for one other than `before`. Raises TimeoutError."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        pid = next((pid for pid, name in one.processes().items() if "agent" in name), 0)
        if pid not in (0, before):
            return pid
        time.sleep(0.05)
    raise TimeoutError(f"no other agent than process {before} runs after {START_SECONDS} s")


def processor_seconds(pid: int) -> float:
    """What a process and its ended children used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def restarted(one: World) -> tuple[float, float]:
    """Kill the agent; the processor seconds and the peak memory in MB of the next one until it rests."""
    old = agent(one)
    os.kill(old, signal.SIGKILL)
    pid = agent(one, old)
    last, since = -1.0, time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        now = processor_seconds(pid)
        if now > last + 0.02:
            last, since = now, time.monotonic()
        time.sleep(0.1)
    peak = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    return last, int(peak) / 1024


def start(_: int) -> Sample:
    """The time of a start and of an end."""
    with tempfile.TemporaryDirectory() as folder:
        up, down = world.cold_start_and_down(Home(Path(folder)), nodes=2)
    yield "podwire up, 2 nodes, s", up
    yield "podwire down, s", down


def memory(_: int) -> Sample:
    """The memory of a world without pods of users."""
    with running(2) as one:
        time.sleep(5)
        sizes = world.memory(one)
        used = sum(processor_seconds(pid) for pid in one.processes())
    yield "processor time of a start and 5 s, without the command's, s", used
    yield "idle world, 2 nodes, PSS, MB", sizes["all"]
    yield "processes of an idle world", len(sizes) - 1


def api(size: int) -> Sample:
    """The API server: writes, lists, watches."""
    load = in_sandbox(api_load, size)
    yield f"{size} pods by 8 writers, /s", load["writes_a_second"]
    yield "API server's processor time of a creation, us", load["server_microseconds"]
    yield f"{size} pods listed in pages of 500, s", load["list_seconds"]
    yield "memory of an object with its history, KB", load["bytes_an_object"] / 1024
    yield "100 watchers at 100 writes/s, delivery, median, ms", in_sandbox(api_watches.sample, 100, 100, 5, size).median


def api_load(size: int) -> dict[str, float]:
    """The figures of one API server."""
    found = api_writes.sample(size, 8, durable=False)
    return {name: getattr(found, name) for name in dir(found) if not name.startswith("_")}


def restart(size: int) -> Sample:
    """An agent over its tables, and one without any."""
    with running(1) as one:
        taken = endpoint_change.milliseconds(world.record(one), size)
        yield f"one endpoint change, {size} Services, ms", statistics.median(taken)
        yield f"agent restarted over its tables, {size} Services, CPU s", restarted(one)[0]
        one.run_in("node-1", "nft", "flush", "ruleset")
        seconds, peak = restarted(one)
        yield f"agent started cold, {size} Services, CPU s", seconds
        yield f"agent started cold, {size} Services, peak, MB", peak


def zygote(_: int) -> Sample:
    """How much is imported before anything is forked."""
    try:
        module = importlib.import_module("podwire.lab.supervisor.zygote")
    except ImportError:
        module = importlib.import_module("podwire.lab.zygote")
    module.warm_up()
    own = sum(name.startswith("podwire") for name in sys.modules)
    yield "modules of podwire in the zygote", own
    yield "modules of others in the zygote", len(sys.modules) - own


def packet(_: int) -> Sample:
    """An established packet between two hosts that are no pods, through a node without Services and policies."""
    with running(1) as one:
        taken = one.run_in("node-1", sys.executable, "-c", PACKETS, timeout=300).stdout
        yield "established UDP packet that is no pod's, ns", float(taken)


SAMPLES: dict[str, Callable[[int], Sample]] = {
    "start": start,
    "memory": memory,
    "api": api,
    "restart": restart,
    "zygote": zygote,
    "packet": packet,
}

if __name__ == "__main__":
    print(json.dumps(dict(SAMPLES[sys.argv[1]](int(sys.argv[2])))))
