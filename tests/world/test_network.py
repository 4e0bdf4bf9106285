"""The network of a whole world, by real clients: pods, nodes, Services and names, direct and over VXLAN."""

from collections.abc import Iterator

import pytest

from tests.world.harness import Home, World, eventually, running

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: web}}
spec:
  nodeName: node-1
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: nginx, ports: [{containerPort: 80, name: http}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: web}}
spec:
  nodeName: node-2
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: nginx, ports: [{containerPort: 80, name: http}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec:
  nodeName: node-1
  hostname: only
  subdomain: headless
  terminationGracePeriodSeconds: 0
  containers: [{name: echo, image: echo, ports: [{containerPort: 9000, protocol: UDP}, {containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ipFamilyPolicy: RequireDualStack, selector: {app: web}, ports: [{name: http, port: 8000, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: alone}
  ports: [{name: udp, port: 9, protocol: UDP, targetPort: 9000}, {name: tcp, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: alone}, ports: [{name: tcp, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {ipFamilyPolicy: RequireDualStack, selector: {app: nobody}, ports: [{port: 80}]}
"""

UDP_CLIENT = """
import contextlib, socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(15):
    client.send(b"hello")
    with contextlib.suppress(TimeoutError):
        sys.exit(print(client.recv(999).decode()))
"""


VXLAN = pytest.param("vxlan", marks=pytest.mark.long)
"""tests/pods has the packets of both ways; a whole world by VXLAN costs as much as one without."""


@pytest.fixture(scope="module", params=["direct", VXLAN])
def network(request: pytest.FixtureRequest, home: Home) -> Iterator[World]:
    for world in running(home, request.param, "--nodes", "2", "--overlay", request.param):
        world.apply(MANIFEST)
        world.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
        wait_for_names(world)
        yield world


def wait_for_names(world: World) -> None:
    eventually(lambda: len(lookup(world, "headless", "A")) == 1, 60, "the headless Service's name")


def addresses(world: World, pod: str) -> list[str]:
    return world.jsonpath(f"pod {pod}", "{.status.podIPs[*].ip}").split()


def services(world: World, service: str) -> list[str]:
    return world.jsonpath(f"service {service}", "{.spec.clusterIPs[*]}").split()


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def fetch(world: World, source: str, host: str, port: int = 80) -> dict[str, str]:
    """The stand-in's answer as its lines by name."""
    answer = world.run_in(source, "curl", "-sS", "-m", "30", f"http://{literal(host)}:{port}/").stdout
    return dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)


def lookup(world: World, name: str, kind: str, source: str = "one") -> list[str]:
    full = name if "." in name else f"{name}.default.svc.cluster.local"
    return world.run_in(source, "dig", "+short", "@10.96.0.10", full, kind).stdout.split("\n")[:-1]


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize(("source", "target"), [("one", "two"), ("one", "alone"), ("two", "alone")])
def test_pods_see_each_others_own_addresses(network: World, source: str, target: str, family: int) -> None:
    seen = fetch(network, source, addresses(network, target)[family], 8080 if target == "alone" else 80)
    assert seen["pod"] == f"default/{target}"
    assert addresses(network, source)[family] in seen["from"]


def test_a_node_reaches_pods_of_its_own_and_of_others(network: World) -> None:
    for target in ("one", "two"):
        for address in addresses(network, target):
            assert fetch(network, "node-1", address)["pod"] == f"default/{target}"


def test_large_packets_pass_between_nodes(network: World) -> None:
    size = {"direct": 1500, "vxlan": 1450}[network.name]
    for address, header in zip(addresses(network, "two"), (28, 48), strict=True):
        fits = ["ping", "-c1", "-W2", "-M", "do", "-s", str(size - header), address]
        assert network.run_in("one", *fits).returncode == 0
        too_large = ["ping", "-c1", "-W1", "-M", "do", "-s", str(size - header + 1), address]
        assert network.run_in("one", *too_large, check=False).returncode != 0


@pytest.mark.parametrize("source", ["one", "alone", "node-1", "node-2"])
@pytest.mark.parametrize("family", [0, 1])
def test_a_service_spreads_over_its_pods(network: World, source: str, family: int) -> None:
    address = services(network, "web")[family]
    missing = {"default/one", "default/two"}
    for _ in range(40):  # each draw is even: a right spread fails once in 10^12 runs
        missing -= {fetch(network, source, address, 8000)["pod"]}
        if not missing:
            break
    assert not missing


def test_a_pod_reaches_itself_through_its_service(network: World) -> None:
    address = services(network, "echo")[0]
    assert fetch(network, "alone", address)["pod"] == "default/alone"


def test_datagrams_go_through_a_service(network: World) -> None:
    answer = network.run_in("two", "/usr/bin/python3", "-c", UDP_CLIENT, services(network, "echo")[0], "9")
    assert "alone" in answer.stdout


@pytest.mark.parametrize("family", [0, 1])
@pytest.mark.parametrize("source", ["one", "node-1"])
def test_without_a_listener_it_is_refused_at_once(network: World, source: str, family: int) -> None:
    for address, port in ((services(network, "nobody")[family], 80), (services(network, "web")[family], 81)):
        url = f"http://{literal(address)}:{port}/"
        result = network.run_in(source, "curl", "-sS", "-m", "30", url, check=False)
        assert result.returncode == 7, result.stderr


def test_names(network: World) -> None:
    assert lookup(network, "web", "A") == services(network, "web")[:1]
    assert lookup(network, "web", "AAAA") == services(network, "web")[1:]
    alone = addresses(network, "alone")[0]
    assert lookup(network, "headless", "A") == [alone]
    assert lookup(network, "only.headless.default.svc.cluster.local", "A") == [alone]
    (srv,) = lookup(network, "_http._tcp.web.default.svc.cluster.local", "SRV")
    assert srv.endswith(" 8000 web.default.svc.cluster.local.")
    reverse = network.run_in("one", "dig", "+short", "@10.96.0.10", "-x", services(network, "web")[0]).stdout
    assert reverse.strip() == "web.default.svc.cluster.local."
    assert lookup(network, "absent", "A") == []


def test_names_outside_of_the_cluster_are_resolved_upstream(network: World) -> None:
    assert lookup(network, "example.com", "A") == ["172.18.255.1"]
    assert lookup(network, "nothing.example.org", "A") == []


def test_a_pods_resolver_has_the_search_list(network: World) -> None:
    text = network.kubectl("exec", "one", "--", "cat", "/etc/resolv.conf").stdout
    assert "nameserver 10.96.0.10" in text
    assert "search default.svc.cluster.local svc.cluster.local cluster.local" in text
    assert "ndots:5" in text
    assert network.kubectl("exec", "one", "--", "getent", "hosts", "web").returncode == 0


def test_podwire_exec_finds_names_as_the_pod_does(network: World) -> None:
    def execute(target: str, *program: str) -> str:
        return network.home.podwire("exec", "--name", network.name, target, "--", *program).stdout

    assert "pod: default/" in execute("pod/alone", "curl", "-sS", "-m", "30", "http://web:8000/")
    assert services(network, "web")[0] in execute("one", "dig", "+search", "+short", "web")
    assert execute("node-1", "dig", "+short", "example.com").strip() == "172.18.255.1"
