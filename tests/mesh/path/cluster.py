"""Two nodes with pods, as network namespaces of a sandbox: links, routes, rules of redirection, an Envoy on each."""

from __future__ import annotations

import contextlib
import ipaddress
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import msgspec

from podwire.edge.envoy.rows import Row
from podwire.edge.instance.configuration import Instance, arguments, files
from podwire.edge.instance.executable import envoy_file
from podwire.edge.model.tracing import Tracing
from podwire.kube.meta import NamespacedName
from podwire.mesh.authorization.selection import Authorization
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.envoy.routed import RoutedService
from podwire.mesh.model.workload import Workload
from podwire.pki import authorities
from podwire.pki.certificates import KeyPair
from podwire.redirection import capture
from tests.mesh.path import control_plane

DEADLINE_SECONDS = 60.0
RANGES = ("10.244.0.0/16", "fd00::/16")
DOMAIN = "cluster.local"

PERMISSIVE = Transport()
"""Plain text is accepted everywhere."""


class Pod(msgspec.Struct, frozen=True):
    """A pod: its namespace is its name, and so is its ServiceAccount."""

    name: str
    node: int
    enrolled: bool = True

    @property
    def addresses(self) -> tuple[str, str]:
        """IPv4 and IPv6."""
        number = 10 + ord(self.name) - ord("a")
        return (f"10.244.{self.node}.{number}", f"fd00:{self.node}::{number:x}")

    @property
    def workload(self) -> Workload:
        """As the mesh sees it."""
        addresses = tuple(map(ipaddress.ip_address, self.addresses))
        key = NamespacedName("shop", self.name)
        return Workload(
            key,
            addresses,
            self.name,
            {"app": "any", "pod": self.name},
            f"n{self.node}",
            enrolled=self.enrolled,
            redirected=self.enrolled,
        )


PODS = (Pod("a", 1), Pod("c", 1), Pod("u", 1, enrolled=False), Pod("b", 2), Pod("v", 2, enrolled=False))


class Cluster:
    """The nodes n1 and n2, and PODS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = authorities.create_root(DOMAIN, datetime.now(UTC), timedelta(days=1))
        self.authorization = Authorization()
        self.services: tuple[RoutedService, ...] = ()
        self.rows: tuple[Row, ...] = ()
        """Services with routes, for the Envoys of both nodes."""
        self.spans: Tracing | None = None
        """Where those of requests by these routes go."""
        self.arriving = ""
        """A pod that the control planes remove and add again all the time."""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Make everything; return when both Envoys serve."""
        for node in (1, 2):
            self._node(node)
        self._underlay()
        for pod in PODS:
            self._pod(pod)
        for node in (1, 2):
            self._rules(node)
            self.start_envoy(node)
        for pod in PODS:
            self.spawn(f"server-{pod.name}", pod.name, sys.executable, "-IS", "-c", SERVER)
        for pod in PODS:
            until(lambda name=pod.name: self.listens(name, 25, 80, 8080), f"the server of {pod.name}")  # type: ignore[misc]

    def start_envoy(self, node: int) -> None:
        """Start the Envoy of a node and its control plane; return when it serves."""
        name = f"n{node}"
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if f"xds-{name}" not in self._processes:
            self._start_control_plane(node, {})
        instance = Instance(
            envoy_file(), name, control_plane.PROXY, str(folder / "xds.sock"), 0, "", "", str(folder),
            address="127.0.0.1", workers=1, is_mesh=True,
        )  # fmt: skip
        for file, text in files(instance).items():
            (folder / file).write_text(text)
        self.spawn(f"envoy-{name}", name, *arguments(instance))
        ports = (capture.OUTBOUND_PORT, capture.INBOUND_PORT, capture.INBOUND_TLS_PORT)
        until(lambda: self.listens(name, *ports), f"the Envoy of {name}")

    def authorize(self, authorization: Authorization) -> None:
        """Let all nodes have these policies."""
        self.authorization = authorization
        for node in (1, 2):
            self.restart_control_plane(node, {})

    def restart_control_plane(self, node: int, accounts: Mapping[str, str], transport: Transport = PERMISSIVE) -> None:
        """Let it serve other ServiceAccounts of these pods of the other node, and other policies."""
        self.kill(f"xds-n{node}")
        self._start_control_plane(node, accounts, transport)

    def _start_control_plane(self, node: int, accounts: Mapping[str, str], transport: Transport = PERMISSIVE) -> None:
        name = f"n{node}"
        folder = self.folder / name
        workloads = self.workloads(node)
        peers = tuple(
            msgspec.structs.replace(one, service_account=accounts.get(one.key.name, one.service_account))
            for one in workloads.peers
        )
        workloads = msgspec.structs.replace(workloads, peers=peers, transport=transport)
        plan = control_plane.Plan(
            str(folder / "xds.sock"),
            workloads,
            _texts(self.authority),
            self.services,
            self.rows,
            self.spans,
            self.arriving,
        )
        (folder / "plan").write_bytes(control_plane.encoded(plan))
        self.spawn(f"xds-{name}", name, sys.executable, "-m", "tests.mesh.path.control_plane", str(folder / "plan"))

    def listens(self, namespace: str, *ports: int) -> bool:
        """Whether programs listen on these ports of a network namespace."""
        sockets = self.output(namespace, "ss", "-Hltn")
        return all(f":{port} " in sockets for port in ports)

    def workloads(self, node: int) -> NodeWorkloads:
        """What a node's Envoy serves."""
        own = tuple(pod.workload for pod in PODS if pod.node == node)
        peers = tuple(pod.workload for pod in PODS if pod.node != node and pod.enrolled)
        return NodeWorkloads(DOMAIN, own, peers, self.authorization)

    def spawn(self, key: str, namespace: str, *words: str) -> None:
        """Start a program in a network namespace."""
        with (self.folder / f"{key}.log").open("ab") as log:
            command = ("ip", "netns", "exec", namespace, *words)
            self._processes[key] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, key: str) -> None:
        """Kill a program and wait for its end."""
        process = self._processes.pop(key)
        process.kill()
        process.wait()

    def close(self) -> None:
        """End all programs."""
        for key in tuple(self._processes):
            self.kill(key)

    def output(self, namespace: str, *words: str) -> str:
        """Return what a program prints."""
        return subprocess.check_output(("ip", "netns", "exec", namespace, *words), text=True)

    def nft(self, node: int, text: str) -> None:
        """Change the rules of a node."""
        subprocess.run(("ip", "netns", "exec", f"n{node}", "nft", "-f", "-"), input=text, text=True, check=True)

    def connect(self, client: str, address: str, port: int, source_port: int = 0) -> str:
        """Connect from a pod, send a line unless the server speaks first, and return the answer; else the error."""
        words = (sys.executable, "-IS", "-c", CLIENT, address, str(port), str(source_port))
        return self.output(client, *words).strip()

    def get(self, client: str, address: str, path: str, header: str = "X: y") -> str:
        """Send a request from a pod; return the status and the body. The status is 000 without a response."""
        host = f"[{address}]" if ":" in address else address
        words = (
            "curl",
            "-sg",
            "--path-as-is",
            "-m",
            "20",
            "-w",
            "%{http_code} ",
            f"http://{host}{path}",
            "-o",
            "-",
            "-H",
            header,
        )
        command = ("ip", "netns", "exec", client, *words)
        return subprocess.run(command, text=True, check=False, capture_output=True).stdout.strip()

    @contextlib.contextmanager
    def held(self, client: str, address: str) -> Iterator[Callable[[], str]]:
        """Hold a connection from a pod to port 80; yield what reports `open` after a request on it, then `ended`."""
        key = f"held-{client}-{address}"
        self.spawn(key, client, sys.executable, "-IS", "-c", HOLDER, address)

        def state() -> str:
            return (self.folder / f"{key}.log").read_text().rpartition(" ")[2]

        yield state
        self.kill(key)

    @contextlib.contextmanager
    def captured(self, node: int) -> Iterator[Path]:
        """Capture the packets of a node's underlay link into a file, for a while."""
        key, file = f"capture-n{node}", self.folder / f"capture-n{node}.log"
        self.spawn(key, f"n{node}", sys.executable, "-c", CAPTURE)
        until(lambda: file.stat().st_size > 0, "the header of the capture")
        yield file
        self.kill(key)

    def _node(self, node: int) -> None:
        name = f"n{node}"
        self._add_namespace(name)
        settings = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.netfilter.nf_conntrack_tcp_loose=0")
        ports = f"net.ipv4.ip_local_port_range=32768 {capture.LAST_PORT}"
        self.output(name, "sysctl", "-qw", *settings, ports)
        table, mark = str(capture.ROUTE_TABLE), f"{capture.MARK:#x}/{capture.MARK:#x}"
        for family in ("-4", "-6"):
            _ip(
                "-n", name, family, "rule", "add", "fwmark", mark, "lookup", table, "pref", str(capture.RULE_PREFERENCE)
            )
            _ip("-n", name, family, "route", "add", "local", "default", "dev", "lo", "table", table)

    def _add_namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")

    def _underlay(self) -> None:
        _ip("link", "add", "eth0", "netns", "n1", "type", "veth", "peer", "name", "eth0", "netns", "n2")
        for node, other in ((1, 2), (2, 1)):
            name = f"n{node}"
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "addr", "add", f"172.18.0.{node}/24", "dev", "eth0")
            _ip("-n", name, "addr", "add", f"fc00::{node}/64", "dev", "eth0", "nodad")
            _ip("-n", name, "route", "add", f"10.244.{other}.0/24", "via", f"172.18.0.{other}")
            _ip("-n", name, "-6", "route", "add", f"fd00:{other}::/64", "via", f"fc00::{other}")

    def _pod(self, pod: Pod) -> None:
        name, node, link = pod.name, f"n{pod.node}", f"pw{pod.name}"
        four, six = pod.addresses
        self._add_namespace(name)
        _ip("link", "add", link, "netns", node, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("-n", node, "link", "set", link, "up")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", node, "addr", "add", "169.254.1.1/32", "dev", link)
        _ip("-n", node, "addr", "add", "fe80::1/64", "dev", link, "nodad")
        _ip("-n", name, "addr", "add", f"{four}/32", "dev", "eth0")
        _ip("-n", name, "addr", "add", f"{six}/128", "dev", "eth0", "nodad")
        _ip("-n", name, "route", "add", "169.254.1.1", "dev", "eth0")
        _ip("-n", name, "route", "add", "default", "via", "169.254.1.1")
        _ip("-n", name, "-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")
        _ip("-n", node, "route", "add", four, "dev", link)
        _ip("-n", node, "-6", "route", "add", six, "dev", link)

    def _rules(self, node: int) -> None:
        text = resources.files("podwire.redirection").joinpath("redirection.nft").read_text()
        self.nft(node, text + "\n".join(_elements(node)) + "\n")


def _elements(node: int) -> Iterator[str]:
    for index, version in enumerate((4, 6)):
        own = [pod.addresses[index] for pod in PODS if pod.node == node and pod.enrolled]
        peers = [pod.addresses[index] for pod in PODS if pod.node != node and pod.enrolled]
        pairs = [f"{one} . {one}" for one in own]
        for name, values in (("enrolled", own), ("self", pairs), ("peers", peers), ("ranges", [RANGES[index]])):
            yield f"add element inet podwire-redirection {name}{version} {{ {', '.join(values)} }}"


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition. Raises AssertionError that names it after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS:g} s"
        time.sleep(0.05)


@contextlib.contextmanager
def running(
    folder: Path,
    services: tuple[RoutedService, ...] = (),
    rows: tuple[Row, ...] = (),
    spans: Tracing | None = None,
) -> Iterator[Cluster]:
    """Run a cluster in the sandbox of this process; Services with routes have these rows."""
    cluster = Cluster(folder)
    cluster.services, cluster.rows, cluster.spans = services, rows, spans
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True)


def _texts(pair: KeyPair) -> tuple[str, str]:
    return pair.certificate.decode(), pair.key.decode()


SERVER = """
import socket, threading
def answer(connection, first):
    with connection:
        connection.settimeout(30)
        peer = connection.getpeername()[0].removeprefix('::ffff:')
        said = b'' if first else connection.recv(100)
        connection.sendall(f'{peer} said {said.decode()}'.encode())
def serve(port, first):
    listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0], first), daemon=True).start()
threading.Thread(target=serve, args=(25, True), daemon=True).start()
def serve_http():
    listener = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        threading.Thread(target=respond, args=(listener.accept()[0],), daemon=True).start()
def respond(connection):
    with connection, connection.makefile('rb') as lines:
        peer = connection.getpeername()[0].removeprefix('::ffff:')
        while line := lines.readline():
            if line == b'\\r\\n':
                text = f'{peer} was served'.encode()
                connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n' % len(text) + text)
threading.Thread(target=serve_http, daemon=True).start()
datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
datagrams.bind(('::', 53))
def echo():
    while True:
        said, peer = datagrams.recvfrom(100)
        datagrams.sendto(said, peer)
threading.Thread(target=echo, daemon=True).start()
serve(8080, False)
"""
"""Port 25 speaks first, 8080 answers, 80 is HTTP: all say whose address the client has. Port 53 echoes datagrams."""

CLIENT = """
import socket, sys
host, port, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if port == 53 else socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.bind(('', source))
        client.connect((host, port))
        if port != 25:
            client.sendall(b'a secret word')
        print(client.recv(200).decode() or 'closed')
except OSError as error:
    print(type(error).__name__)
"""

HOLDER = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 80)) as client:
    client.settimeout(0.1)
    said = b'begin'
    while said:
        try:
            client.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
            said = client.recv(1000)
            print(' open', end='', flush=True)
            time.sleep(0.1)  # between requests
        except TimeoutError:
            pass
        except OSError:
            break
print(' ended', end='', flush=True)
"""

CAPTURE = """
import sys
from podwire.kernel.capture import Limits, capture
capture('eth0', sys.stdout.buffer, Limits())
"""
