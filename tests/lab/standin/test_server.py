"""A stand-in as it runs in a pod: forked into a root without Python; its clients are curl and sockets."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from podwire.lab.base import grpc_health, hpack, http2
from podwire.lab.base.grpc_health import HealthClient, Outcome
from podwire.lab.standin import drain, server
from podwire.lab.standin.answers import Caller, StandInIdentity, datagram
from podwire.lab.standin.port import Port
from tests import empty_root
from tests.sandbox import sandboxed

NGINX = StandInIdentity("shop", "web-1", "web", "node-1", "nginx:1.27", ("10.244.1.2", "fd00::2"))
LONG = 60.0
"""Seconds that no test waits for."""
PORTS = (Port("TCP", 80), Port("UDP", 53), Port("SCTP", 9))


def first_line_with(word: str, text: str) -> str:
    return next(line.removeprefix(word).strip() for line in text.splitlines() if line.startswith(word))


@dataclass
class Running:
    """A stand-in that runs: its process, its log, the writing end of its control input."""

    pid: int
    log: int
    control: int

    def line(self, word: str) -> str:
        """The next line of the log that holds a word."""
        while True:
            line = b""
            while not line.endswith(b"\n"):
                assert select.select([self.log], [], [], 30)[0], f"no line with {word!r} came"
                byte = os.read(self.log, 1)
                assert byte, f"the stand-in ended before it said {word!r}"
                line += byte
            if word in line.decode():
                return line.decode().strip()


@contextlib.contextmanager
def running(quiet: float = drain.QUIET_SECONDS) -> Iterator[Running]:
    """A stand-in that is about to end waits so many seconds for another client."""
    log, output = os.pipe()
    orders, control = os.pipe()
    listening, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(output, 1)
        os.dup2(orders, 0)
        os.close(control)
        vars(drain).update(QUIET_SECONDS=quiet, LONGEST_SECONDS=quiet * 10)
        empty_root.enter()
        server.main_of_arguments(server.arguments_of(NGINX, PORTS, report))
        os._exit(0)
    os.close(output)
    os.close(orders)
    os.close(report)
    try:
        with open(listening, "rb") as started:
            assert started.read() == b""
        yield Running(pid, log, control)
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def curl(*arguments: str, data: bytes | None = None) -> str:
    command = ["curl", "-sS", "--max-time", "30", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()


@sandboxed
def test_http_reports_pod_and_client() -> None:
    with running() as one:
        assert "not on this machine" in one.line("stand-in")
        one.line("listening on UDP 53")
        text = curl("-i", "-H", "Host: web.shop", "http://127.0.0.1/a/b?c")
        assert "200 OK" in text
        assert "X-Podwire-Stand-In: nginx:1.27\r\n" in text
        body = text.partition("\r\n\r\n")[2]
        assert body.startswith("podwire stand-in for nginx:1.27\n")
        assert first_line_with("pod:", body) == "shop/web-1"
        assert first_line_with("path:", body) == "/a/b?c"
        assert first_line_with("host:", body) == "web.shop"
        assert first_line_with("addresses:", body) == "10.244.1.2, fd00::2"
        assert first_line_with("from:", body).startswith("127.0.0.1:")
        assert one.line("HTTP 80 from 127.0.0.1").endswith("GET /a/b?c")


@sandboxed
def test_http_in_json_over_ipv6_with_other_methods_and_a_kept_connection() -> None:
    with running() as one:
        one.line("listening on UDP 53")
        for arguments in (("-H", "Accept: application/json", "http://[::1]/"), ("http://[::1]/x.json",)):
            whole = json.loads(curl(*arguments))
            assert (whole["standInFor"], whole["pod"], whole["node"]) == ("nginx:1.27", "shop/web-1", "node-1")
            assert whole["from"].startswith("[::1]:")
        posted = curl("-T", "-", "-v", "http://127.0.0.1/", "http://127.0.0.1/again", data=b"x" * 3_000_000)
        assert posted.count("method: PUT") == 1
        assert posted.count("method: GET") == 1
        assert "Content-Length: " in curl("-I", "http://127.0.0.1/")
        again = curl("-w", "%{num_connects}\n", "http://127.0.0.1/", "http://127.0.0.1/")
        assert [line for line in again.splitlines() if line in {"0", "1"}] == ["1", "0"]


@sandboxed
def test_bad_http_is_refused_and_labelled() -> None:
    with running() as one, socket.create_connection(connect(one), timeout=30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"X-Podwire-Stand-In" in answer


def connect(one: Running) -> tuple[str, int]:
    """Where to connect, once the ports are open."""
    one.line("listening on UDP 53")
    return ("127.0.0.1", 80)


@sandboxed
def test_plain_tcp_is_greeted_at_its_first_bytes_or_its_silence_and_then_echoed() -> None:
    with running() as one:
        where = connect(one)
        for first in (b"PING\r\n", b""):
            with socket.create_connection(where, timeout=30) as client:
                client.sendall(first)
                lines = client.makefile("rb")
                greeting = lines.readline()
                assert greeting.startswith(b"podwire stand-in for nginx:1.27: pod shop/web-1 on node-1")
                assert f"you are 127.0.0.1:{client.getsockname()[1]} over TCP".encode() in greeting
                client.sendall(b"more\n")
                assert lines.readline() == (first or b"more\n")
            assert "TCP 80 from 127.0.0.1" in one.line("TCP 80 from")


@sandboxed
def test_each_datagram_is_answered_on_both_families() -> None:
    with running() as one:
        one.line("listening on UDP 53")
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.connect((address, 53))
                for payload in (b"", b"who are you"):
                    client.send(payload)
                    answer = client.recv(2048).decode()
                    assert first_line_with("pod:", answer) == "shop/web-1"
                    assert first_line_with("bytes:", answer) == str(len(payload))


def test_two_stand_ins_do_not_talk_for_ever() -> None:
    answer = datagram(NGINX, Caller("10.0.0.1", 5, 53), b"hello")
    assert answer is not None
    assert datagram(NGINX, Caller("10.0.0.1", 5, 53), answer) is None


@sandboxed
def test_orders_open_ports_once_and_bad_ones_harm_nothing() -> None:
    with running() as one:
        where = connect(one)
        os.write(one.control, b"listen tcp 99999999\nlisten smoke 1\nlisten sctp 7\n\xff\nlisten tcp 80\nlis")
        assert "SCTP" in one.line("SCTP 7")
        os.write(one.control, b"ten tcp 8080\n")
        assert one.line("listening") == "listening on TCP 8080"
        assert "pod: shop/web-1" in curl("http://127.0.0.1:8080/")
        assert "pod: shop/web-1" in curl(f"http://{where[0]}/")


@sandboxed
def test_a_taken_port_is_said_and_the_others_are_served() -> None:
    with socket.create_server(("0.0.0.0", 80)), running() as one:
        assert "Address already in use" in one.line("cannot listen on TCP 80 at 0.0.0.0")
        one.line("listening on UDP 53")
        assert "pod: shop/web-1" in curl("http://[::1]/")


@sandboxed
def test_it_serves_without_a_reader_of_its_log_or_a_writer_of_its_orders() -> None:
    with running() as one:
        one.line("listening on UDP 53")
        os.close(one.control)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            client.connect(("127.0.0.1", 53))
            for _ in range(3000):
                client.send(b"x")
                client.recv(2048)


def has_ended(one: Running, within: float) -> bool:
    ended = os.pidfd_open(one.pid)
    try:
        return bool(select.select([ended], [], [], within)[0])
    finally:
        os.close(ended)


@sandboxed
def test_it_ends_at_once_where_nothing_but_probes_came() -> None:
    with running(LONG) as one, socket.create_connection(connect(one), timeout=30):
        curl("-A", "kube-probe/1.37", "http://127.0.0.1/healthz")
        os.kill(one.pid, signal.SIGTERM)
        assert has_ended(one, within=LONG / 2)
        assert os.waitpid(one.pid, 0)[1] == 0


@sandboxed
def test_it_serves_until_no_client_comes_any_more_even_with_open_connections() -> None:
    quiet = 2.0
    with running(quiet) as one, socket.create_connection(connect(one), timeout=30) as client:
        client.sendall(b"PING\n")
        client.recv(10)
        os.kill(one.pid, signal.SIGTERM)
        begun = time.monotonic()
        while time.monotonic() - begun < quiet * 1.1:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", timeout=30)) as web:
                web.request("GET", "/")
                assert web.getresponse().status == 200
            assert not has_ended(one, within=quiet / 20)
        kept = curl("-si", "http://127.0.0.1/", "http://127.0.0.1/")
        assert kept.lower().count("connection: close") == 2
        assert has_ended(one, within=60)
        assert os.waitpid(one.pid, 0)[1] == 0


@sandboxed
def test_it_reports_its_start_when_it_listens() -> None:
    with running(), socket.create_connection(("127.0.0.1", 80), timeout=30):
        pass


@sandboxed
def test_a_second_signal_ends_it_at_once() -> None:
    with running(LONG) as one:
        one.line("listening on TCP 80")
        curl("http://127.0.0.1/")
        os.kill(one.pid, signal.SIGTERM)
        curl("http://127.0.0.1/")
        os.kill(one.pid, signal.SIGTERM)
        assert has_ended(one, within=LONG / 2)


def outcome(client: HealthClient) -> Outcome:
    """Make the client's call to port 80."""
    with socket.create_connection(("127.0.0.1", 80), 5) as connection:
        connection.sendall(client.start)
        while client.outcome is None:
            data = connection.recv(4096)
            assert data, "the stand-in ended the connection"
            connection.sendall(client.receive(data))
    return client.outcome


@sandboxed
def test_grpc_health_checks_are_answered_beside_http() -> None:
    with running() as one:
        one.line("listening on UDP 53")
        for service in ("", "shop.Cart"):
            assert outcome(HealthClient("web", service, "test")) == Outcome(grpc_health.OK, health=grpc_health.SERVING)
        one.line("gRPC 80 from 127.0.0.1")
        assert curl("http://127.0.0.1/").startswith("podwire stand-in")
        with socket.create_connection(("127.0.0.1", 80), 5) as broken:
            broken.sendall(http2.PREFACE + b"\xff" * 100)
            broken.settimeout(30)
            while broken.recv(4096):
                pass


@sandboxed
def test_other_methods_of_grpc_are_not_implemented() -> None:
    with running() as one:
        one.line("listening on UDP 53")
        other = HealthClient("web", "", "test")
        other._head = hpack.encode({":method": "POST", ":scheme": "http", ":path": "/shop.Cart/Add"}.items())
        assert outcome(other) == Outcome(grpc_health.UNIMPLEMENTED, "unknown method /shop.Cart/Add")
