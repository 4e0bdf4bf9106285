"""Facts as they are gathered: by pings, queries and requests, in sandboxes and from small servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from podwire.component.permissions import AGENT, RULES
from podwire.insight.doctor import api_access, dns_query, machine, node_survey, path_probe
from podwire.insight.doctor.api_access import clock_offset, token_end
from podwire.insight.doctor.node_facts import CniFile, NodeFacts, NodeRequest, Peer, Right
from podwire.kernel import namespaces
from podwire.kube.credentials import Credentials
from tests.kube.fake_server import connected
from tests.sandbox import Host, join, sandboxed


@sandboxed
def test_packets_of_full_size_show_a_network_that_carries_less() -> None:
    near, far = Host("near"), Host("far")
    join(near, far, "eth0", "eth0")
    for host, number in ((near, 1), (far, 2)):
        host.add_addresses("eth0", f"192.0.2.{number}/24", f"fd00::{number}/64")
    peers = (Peer("far", "192.0.2.2"), Peer("far", "fd00::2"), Peer("gone", "192.0.2.9"))

    def probed() -> dict[str, tuple[bool, bool]]:
        with namespaces.inside_network(near.path):
            return {fact.peer.address: (fact.small, fact.large) for fact in path_probe.probe(peers, 1500)}

    assert probed() == {"192.0.2.2": (True, True), "fd00::2": (True, True), "192.0.2.9": (False, False)}
    far.run("ip", "link", "set", "eth0", "mtu", "1400")
    assert probed() == {"192.0.2.2": (True, False), "fd00::2": (True, False), "192.0.2.9": (False, False)}


@contextlib.contextmanager
def dns_server(code: int) -> Iterator[int]:
    """A server on both protocols that answers each query with this response code."""

    def answer(query: bytes) -> bytes:
        return query[:2] + (0x8000 | code).to_bytes(2, "big") + query[4:]

    class Datagrams(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, udp = self.request
            udp.sendto(answer(query), self.client_address)

    class Streams(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query = self.request.recv(512)[2:]
            self.request.sendall(len(query).to_bytes(2, "big") + answer(query))

    with socketserver.TCPServer(("127.0.0.1", 0), Streams) as tcp:
        port = tcp.server_address[1]
        with socketserver.UDPServer(("127.0.0.1", port), Datagrams) as udp:
            threads = [threading.Thread(target=one.serve_forever, args=(0.01,)) for one in (tcp, udp)]
            for thread in threads:
                thread.start()
            yield port
            for one in (tcp, udp):
                one.shutdown()
            for thread in threads:
                thread.join()


@pytest.mark.parametrize(("code", "problem"), [(0, ""), (3, ""), (2, "its answer has the response code 2")])
def test_a_dns_server_answers_or_has_a_problem(code: int, problem: str) -> None:
    with dns_server(code) as port:
        found = list(dns_query.answers(["127.0.0.1"], port))
    assert [(one.protocol, one.problem) for one in found] == [("UDP", problem), ("TCP", problem)]


def test_without_a_dns_server_both_protocols_are_refused() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = list(dns_query.answers(["127.0.0.1"], closed.getsockname()[1]))
    assert all("refused" in one.problem for one in found)
    assert dns_query.problem_of(b"", 1) == "its answer is too short"
    assert dns_query.problem_of(dns_query.query(1), 1) == "it sent something else", "a query is no answer"


@pytest.mark.parametrize(
    ("now", "offset"), [(0.0, 0.0), (0.9, 0.0), (1.0, 0.0), (3.5, 2.5), (-4.0, -4.0), (-0.3, -0.3)]
)
def test_the_clock_is_compared_with_a_date_of_whole_seconds(now: float, offset: float) -> None:
    head = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
    assert clock_offset(head, 1767225600 + now) == offset
    assert clock_offset("HTTP/1.1 200 OK\r\nDate: never\r\n\r\n", now) is None
    assert clock_offset("HTTP/1.1 200 OK\r\n\r\n", now) is None


def test_the_end_of_a_token_is_read_where_it_has_one(tmp_path: Path) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 12345}).encode()).decode().rstrip("=")
    assert token_end(f"x.{claims}.y\n") == 12345
    assert token_end("opaque") is None
    assert token_end("x.!.y") is None
    token = tmp_path / "token"
    token.write_text(f"x.{claims}.y")
    (found,) = api_access.expiries(Credentials("https://x", token_file=str(token)))
    assert (found.what, found.expires, found.renewed) == ("token", 12345, False)


async def test_rights_are_reviewed_one_by_one() -> None:
    reviewed: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        attributes = (await request.json())["spec"]["resourceAttributes"]
        reviewed.append(attributes)
        allowed = (attributes["verb"], attributes["resource"]) != ("watch", "networkpolicies")
        return web.json_response({"status": {"allowed": allowed}}, status=201)

    async with connected(handler) as client:
        assert await api_access.denied(client, AGENT) == (Right("watch", "networkpolicies.networking.k8s.io"),)
    assert len(reviewed) == sum(len(resources) * len(verbs) for _, resources, verbs in RULES[AGENT])


async def test_an_api_server_is_reached_or_is_not() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"gitVersion": "v1.37.2"}, headers={"Date": time.strftime("%a, %d %b %Y %T GMT")})

    async with connected(handler) as client:
        found = await api_access.reached(client._credentials)
    assert not found.problem
    assert found.milliseconds > 0
    assert found.certificate_expires is None
    gone = await api_access.reached(client._credentials)
    assert "onnect" in gone.problem


async def test_an_api_server_that_ends_the_connection_is_a_problem() -> None:
    async def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await api_access.reached(Credentials(f"http://127.0.0.1:{port}"))).problem


def test_configurations_are_read_in_the_order_of_runtimes(tmp_path: Path) -> None:
    (tmp_path / "10-b.conf").write_text('{"type": "bridge"}')
    (tmp_path / "05-a.conflist").write_text('{"plugins": [{"type": "podwire"}, {"type": "portmap"}]}')
    (tmp_path / "99-broken.conf").write_text("[]")
    (tmp_path / "README").write_text("no configuration")
    first, second, broken = machine.cni_files(tmp_path)
    assert (first, second) == (CniFile("05-a.conflist", ("podwire", "portmap")), CniFile("10-b.conf", ("bridge",)))
    assert broken.problem
    assert not list(machine.cni_files(tmp_path / "absent"))
    assert machine.plugin(tmp_path) == (str(tmp_path / "podwire"), False)
    (tmp_path / "podwire").write_text("")
    (tmp_path / "podwire").chmod(0o755)
    assert machine.plugin(tmp_path)[1]
    (tmp_path / "calico").write_text("")
    assert machine.other_plugins(tmp_path) == ("calico",)
    assert machine.other_plugins(tmp_path / "absent") == ()


@sandboxed
def test_facts_travel_as_json_and_a_part_that_fails_leaves_the_others() -> None:
    near, far = Host("near"), Host("far")
    join(near, far, "eth0", "eth0")
    near.run("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    request = NodeRequest("a", ("192.0.2.1",), rows_socket="/run/none.sock", dns=("no address",))
    with namespaces.inside_network(near.path):
        facts = node_survey.gather(request)
    assert msgspec.json.decode(msgspec.json.encode(facts), type=NodeFacts) == facts
    assert facts.uplink is not None
    assert (facts.uplink.name, facts.uplink.mtu) == ("eth0", 1500)
    assert "net/ipv4/ip_forward" in facts.sysctls
    assert list(facts.problems) == ["dns"]
    assert facts.agent is None
    assert "No such file" in facts.agent_problem
