"""Cluster DNS under dnsperf: podwire, CoreDNS, Knot and a bare echo, on the same names, in turns.

One API server has the Services; podwire and CoreDNS follow it, each with one processor (GOMAXPROCS=1, one worker). Knot
answers the same records from a zone file with one worker. The echo is a loop that receives and sends datagrams as
podwire's does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import service_objects
from bench.api_server import Served, api_server, make_keys
from bench.figure import Figure
from bench.http_load import PEERS, NoLoadClientError
from bench.isolation import (
    UnsuitableMachineError,
    background,
    end_with_parent,
    in_sandbox,
    proportional_set_size,
)
from bench.peer_programs import MissingPeerError, built
from bench.wire import Connection, accepted
from podwire.dns.listen import BATCHES_A_TURN
from podwire.dns.message import HEADER, QR, RD
from podwire.dns.names import to_wire
from podwire.dns.records import INTERNET, RecordType
from podwire.kernel.datagram import DatagramSocket
from podwire.kernel.datagram_batch import MOST, DatagramBatch
from tools.conformance import programs

ENDPOINTS = 5
RECORDS_A_SERVICE = 4 + 2 * ENDPOINTS
"""A, PTR and two SRV records of the Service, A and PTR of each endpoint."""
FRESH_SAMPLES = 200
_addresses = itertools.count()
ROUNDS = 3
PATIENCE_SECONDS = 120.0
DOMAIN = "default.svc.cluster.local"
CACHE = "cache 30 {\ndisable success cluster.local\ndisable denial cluster.local\n}"
PORTS = {
    "podwire": 5301,
    "podwire, 2 workers": 5302,
    "CoreDNS": 5311,
    "CoreDNS, 2 processors": 5312,
    "Knot": 5321,
    "echo": 5331,
}
HEALTH = {"podwire": 5401, "podwire, 2 workers": 5411, "CoreDNS": 5421, "CoreDNS, 2 processors": 5431}
KNOT_PACKAGES = "knot libknot13 libdnssec9 libzscanner4 liburcu8 libxdp1"

_RATE = re.compile(r"Queries per second:\s+([\d.]+)")


@dataclass(frozen=True)
class Peer:
    """A server under test: its port, its process, and how long it took to be ready, in seconds."""

    port: int
    pid: int = 0
    ready: float = 0.0


def figures(*, quick: bool) -> Iterator[Figure]:
    """Rates, memory and start. Raises NoLoadClientError without dnsperf; other peers are left out with a line."""
    services, seconds = (1_000, 1) if quick else (10_000, 3)
    found = in_sandbox(_sample, services, seconds, dnsperf(), coredns())
    names = f"{services:,} Services x {ENDPOINTS} endpoints"
    records = f"{services * RECORDS_A_SERVICE:,} records"
    rates, ready, memory = found["rates"], found["ready"], found["memory"]
    for kind, by_peer in rates.items():
        own = by_peer["podwire"]
        yield Figure(f"DNS, {kind}, one worker, {names}", own, "/s")
        for peer, goal in (("CoreDNS", 2.0), ("Knot", 0.6), ("echo", 0.7)):
            if peer in by_peer:
                yield Figure(f"DNS, {kind}, times {peer}'s", own / by_peer[peer], "x", goal, at_least=True)
        if "podwire, 2 workers" in by_peer:
            yield Figure(
                f"DNS, {kind}, two workers",
                by_peer["podwire, 2 workers"],
                "/s",
                60_000 if kind == "A" else None,
                at_least=True,
            )
        if "CoreDNS, 2 processors" in by_peer:
            yield Figure(f"DNS, {kind}, CoreDNS on two processors", by_peer["CoreDNS, 2 processors"], "/s")
    for peer, taken in found["fresh"].items():
        whose = "" if peer == "podwire" else f", {peer}"
        yield Figure(f"DNS, API write to answer, median{whose}", statistics.median(taken), "ms")
        limit = 50.0 if peer == "podwire" else None
        yield Figure(f"DNS, API write to answer, 99th percentile{whose}", taken[int(len(taken) * 0.99)], "ms", limit)
    yield Figure(f"DNS, start to ready, {records}", ready["podwire"], "s", 3.0)
    yield Figure(f"DNS, memory, {records}", memory["podwire"], "MB", 150)
    if "CoreDNS" in ready:
        yield Figure("DNS, start to ready, CoreDNS", ready["CoreDNS"], "s")
        yield Figure("DNS, memory, times CoreDNS's", memory["podwire"] / memory["CoreDNS"], "x", 0.5)


def _sample(services: int, seconds: int, client: list[str], coredns: Path | None) -> dict[str, dict]:  # type: ignore[type-arg]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podwire-bench-")))
        make_keys(folder)
        served = stack.enter_context(api_server(folder, folder / "store.db", durable=False))
        service_objects.write(served, services, ENDPOINTS)
        peers = {
            "podwire": stack.enter_context(podwire_server(served, folder, "podwire", workers=1)),
            "podwire, 2 workers": stack.enter_context(podwire_server(served, folder, "podwire, 2 workers", workers=2)),
            "echo": stack.enter_context(echo_server()),
        }
        if coredns is not None:
            for name, processors in (("CoreDNS", 1), ("CoreDNS, 2 processors", 2)):
                peers[name] = stack.enter_context(coredns_server(coredns, served, folder, name, processors))
        with left_out("Knot"):
            peers["Knot"] = stack.enter_context(_knot(folder, services))
        memory = {name: _memory(peer.pid) for name, peer in peers.items() if peer.pid}
        fresh = {name: _freshness(served, peers[name].port) for name in ("podwire", "CoreDNS") if name in peers}
        rates = _rates(client, folder, peers, services, seconds)
    return {
        "fresh": fresh,
        "rates": rates,
        "ready": {name: peer.ready for name, peer in peers.items()},
        "memory": memory,
    }


def _memory(pid: int) -> float:
    """Proportional set size of a process and its children, in MB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(proportional_set_size(one) for one in (pid, *map(int, children))) / (1 << 20)


def _freshness(served: Served, port: int) -> list[float]:
    """Milliseconds from sending the write of a new endpoint to the first answer with it, sorted."""
    connection, taken = Connection(served), []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(5)
        for _ in range(FRESH_SAMPLES):
            address = service_objects.fresh_address(next(_addresses))
            query = query_of(f"{address.replace('.', '-')}.bench-0.{DOMAIN}")
            began = time.perf_counter()
            if not accepted(connection.send(service_objects.change(0, ENDPOINTS, address))):
                raise RuntimeError(f"the change to {address} was refused")
            while True:
                client.send(query)
                if not client.recv(1500)[3] & 0xF:
                    break
            taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)


def query_of(name: str) -> bytes:
    """A question for the A records of a name."""
    return HEADER.pack(1, RD, 1, 0, 0, 0) + to_wire(name) + struct.pack("!HH", RecordType.A, INTERNET)


@contextlib.contextmanager
def left_out(name: str) -> Iterator[None]:
    """Go on without a peer that is not on this machine, and say so."""
    try:
        yield
    except UnsuitableMachineError as error:
        print(f"{name} is left out: {error}", flush=True)


def coredns() -> Path | None:
    """The program, built before a sample where it is missing; None, and a line with the reason, where it cannot be."""
    with left_out("CoreDNS"):
        return built(programs.CLUSTER_DNS)
    return None


def _rates(
    client: list[str], folder: Path, peers: dict[str, Peer], services: int, seconds: int
) -> dict[str, dict[str, float]]:
    """Queries a second by sort of question and peer: medians of rounds in turns."""
    questions = {
        "A": [f"bench-{number}.{DOMAIN} A" for number in range(services)],
        "NXDOMAIN": [f"www.example-{number}.{DOMAIN} {kind}" for number in range(services) for kind in ("A", "AAAA")],
        "SRV": [f"_http._tcp.bench-{number}.{DOMAIN} SRV" for number in range(services)],
    }
    found: dict[str, dict[str, list[float]]] = {kind: {} for kind in questions}
    for kind, lines in questions.items():
        file = folder / f"queries-{kind}"
        file.write_text("".join(f"{line}\n" for line in lines))
        for turn in range(ROUNDS + 1):
            for name, peer in peers.items():
                rate = rate_of(client, file, peer.port, seconds)
                if turn:  # the first round fills caches
                    found[kind].setdefault(name, []).append(rate)
    return {kind: {name: statistics.median(rates) for name, rates in by.items()} for kind, by in found.items()}


def load(client: list[str], file: Path, port: int, seconds: int, *limits: str) -> list[str]:
    """The command line of dnsperf: eight clients with a hundred queries under way, without limits."""
    limits = limits or ("-q", "100")
    ends = ("-l", str(seconds), "-d", str(file), "-s", "127.0.0.1", "-p", str(port))
    return [*client, "-T", "1", "-c", "8", *limits, *ends]


def rate_of(client: list[str], file: Path, port: int, seconds: int) -> float:
    """Queries a second of a load without pause."""
    command = load(client, file, port, seconds)
    done = subprocess.run(command, env=library_paths(), capture_output=True, text=True, check=False)
    match = _RATE.search(done.stdout)
    if match is None:
        raise RuntimeError(f"dnsperf measured nothing: {done.stdout}{done.stderr}")
    return float(match[1])


def library_paths() -> dict[str, str]:
    """That of unpacked programs: their libraries are beside them."""
    folders = sorted({str(one.parent) for one in (PEERS / "usr/lib").glob("*/lib*.so*")})
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def dnsperf() -> list[str]:
    """The command of dnsperf, unpacked by tools/peers.sh or installed. Raises NoLoadClientError."""
    unpacked = PEERS / "usr/bin/dnsperf"
    found = str(unpacked) if unpacked.is_file() else shutil.which("dnsperf")
    if not found:
        raise NoLoadClientError("dnsperf is missing: sh tools/peers.sh dnsperf libldns3")
    return [found]


@contextlib.contextmanager
def _running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**library_paths(), **environment},
            preexec_fn=end_with_parent,  # noqa: PLW1509 this process has one thread
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _ready(url: str, port: int, process: subprocess.Popen[bytes], log: Path) -> float:
    """Seconds until the page is 200 and a query is answered: CoreDNS says that it is ready before it has its port."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_SECONDS and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            if _answers(port):
                return time.monotonic() - began
        time.sleep(0.01)
    raise RuntimeError(f"{url} was not ready: {log.read_text()[-2000:]}")


def _answers(port: int) -> bool:
    """Whether a query is answered at once. Raises OSError where nobody has the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(1)
        client.send(query_of(DOMAIN))
        return bool(client.recv(1500))


@contextlib.contextmanager
def podwire_server(served: Served, folder: Path, name: str, workers: int = 1, corefile: str = "") -> Iterator[Peer]:
    """podwire's server, with the Corefile that its flags make or this one."""
    config = folder / "podwire.conf"
    config.write_text(_kubeconfig(served))
    log, port, health = folder / f"{workers}-podwire.log", PORTS[name], HEALTH[name]
    flags = [f"--port={port}", f"--health-port={health}", f"--ready-port={health + 1}", f"--metrics-port={health + 2}"]
    flags += [f"--kubeconfig={config}", "--config-map=", "--bind-addresses=127.0.0.1", f"--workers={workers}"]
    if corefile:
        (folder / "podwire.Corefile").write_text(corefile)
        flags.append(f"--conf={folder / 'podwire.Corefile'}")
    with _running([sys.executable, "-m", "podwire", "dns", *flags], log) as process:
        yield Peer(port, process.pid, _ready(f"http://127.0.0.1:{health + 1}/ready", port, process, log))


def _kubeconfig(served: Served) -> str:
    proof = served.proof()
    cluster = {"server": proof.server, "certificate-authority": proof.authority_file}
    user = {"client-certificate": proof.certificate_file, "client-key": proof.key_file}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "clusters": [{"name": "a", "cluster": cluster}],
            "users": [{"name": "a", "user": user}],
        }
    )


@contextlib.contextmanager
def coredns_server(
    program: Path, served: Served, folder: Path, name: str, processors: int, *, cached: bool = True, plugins: str = ""
) -> Iterator[Peer]:
    """CoreDNS with kubeadm's Corefile, which keeps no answers of the cluster's domain, but those of reverse names.

    `plugins` are further lines of it.
    """
    proof, port, health = served.proof(), PORTS[name], HEALTH[name]
    file = folder / f"Corefile-{processors}"
    file.write_text(f"""\
.:{port} {{
    bind 127.0.0.1
    errors
    ready 127.0.0.1:{health}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint {proof.server}
        tls {proof.certificate_file} {proof.key_file} {proof.authority_file}
        pods insecure
        ttl 30
    }}
    {CACHE if cached else ""}
    {plugins}
    loadbalance
}}
""")
    log = folder / f"coredns-{processors}.log"
    command = [str(program), "-conf", str(file)]
    with _running(command, log, GOMAXPROCS=str(processors)) as process:
        yield Peer(port, process.pid, _ready(f"http://127.0.0.1:{health}/ready", port, process, log))


@contextlib.contextmanager
def _knot(folder: Path, services: int) -> Iterator[Peer]:
    """Knot with one UDP worker, and the same records as a zone."""
    program = PEERS / "usr/sbin/knotd"
    if not program.is_file():
        raise MissingPeerError(f"knotd is missing: sh tools/peers.sh {KNOT_PACKAGES}")
    work = folder / "knot"
    work.mkdir()
    lines = ["@ 5 IN SOA ns hostmaster 1 7200 1800 86400 5", "@ 5 IN NS ns", "ns 5 IN A 127.0.0.1"]
    for number in range(services):
        own = f"bench-{number}.default.svc"
        lines += [f"{own} 5 IN A 10.96.{number >> 8 & 255}.{number & 255}", f"_http._tcp.{own} 5 IN SRV 0 100 80 {own}"]
    (work / "cluster.local.zone").write_text("$ORIGIN cluster.local.\n" + "\n".join(lines) + "\n")
    (work / "knot.conf").write_text(f"""\
server:
    rundir: "{work}"
    listen: 127.0.0.1@{PORTS["Knot"]}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{work}"
zone:
  - domain: cluster.local
    storage: "{work}"
    file: "cluster.local.zone"
""")
    log = folder / "knot.log"
    with _running([str(program), "-c", str(work / "knot.conf")], log) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "server started" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"knotd does not start: {log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield Peer(PORTS["Knot"], process.pid)


@contextlib.contextmanager
def echo_server() -> Iterator[Peer]:
    """A loop that sends each datagram back as a reply: what any server of this language would cost."""
    with background(_echo_for_ever) as process:
        yield Peer(PORTS["echo"], process.pid or 0)


def _echo_for_ever() -> None:
    import asyncio

    channel = DatagramSocket("127.0.0.1", PORTS["echo"])
    batch = DatagramBatch(channel)

    def readable() -> None:
        for _ in range(BATCHES_A_TURN):
            raws = batch.receive()
            for number, raw in enumerate(raws):
                batch.reply(number, raw[:2] + bytes((raw[2] | QR >> 8,)) + raw[3:])
            batch.flush()
            if len(raws) < MOST:
                return

    async def run() -> None:
        asyncio.get_running_loop().add_reader(channel.fileno(), readable)
        await asyncio.Event().wait()

    asyncio.run(run())
