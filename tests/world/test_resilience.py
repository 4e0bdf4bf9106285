"""Kill any process of a world: it comes back, no pod dies, established connections live on, nothing opens."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.world.harness import PODWIRE, World, eventually
from tests.world.traffic import client

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: clock
    image: busybox
    command: [sh, -c, "n=0; while true; do n=$((n+1)); echo tick $n; sleep 0.1; done"]
  - {name: web, image: nginx, ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: closed, labels: {app: closed}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {type: LoadBalancer, selector: {app: server}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: closed}}}
"""

ROLES = [
    "pw-apiserver",
    "pw-agent-node-1",
    "pw-zygote",
    # Kept by the same loop of pid 1 (tests/lab/supervisor), and nothing of them is in a packet's way.
    *(pytest.param(role, marks=pytest.mark.long) for role in ("pw-controllers", "pw-runtime-node-", "pw-upstream")),
]


@pytest.fixture(scope="module")
def pods(world: World) -> World:
    world.apply(MANIFEST)
    world.kubectl("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    return world


def address(world: World, pod: str) -> str:
    return world.jsonpath(f"pod {pod}", "{.status.podIP}")


def answers(world: World, host: str) -> bool:
    result = world.run_in("client", "curl", "-s", "-m", "0.7", "-o", "/dev/null", f"http://{host}/", check=False)
    return result.returncode == 0


def state(world: World) -> str:
    path = "{range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount} {.status.podIP};{end}"
    return world.jsonpath("pods", path)


def ticks(world: World) -> list[int]:
    return [int(line.split()[1]) for line in world.kubectl("logs", "server", "-c", "clock").stdout.splitlines()]


def victims(world: World, name: str) -> list[int]:
    return [pid for pid, comm in world.processes().items() if comm.startswith(name[:15])]


@pytest.fixture
def flow(pods: World) -> Iterator["subprocess.Popen[str]"]:
    """An open TCP connection from client to server that sends a line and receives its echo on request."""
    program = (
        "import socket,sys\n"
        f"s=socket.create_connection(('{address(pods, 'server')}',80),5)\n"
        "s.settimeout(5)\n"
        "s.sendall(b'hello\\n'); s.recv(9999); print('open',flush=True)\n"
        "for line in sys.stdin:\n"
        "    s.sendall(line.encode()); print('alive' if s.recv(9999) else 'closed',flush=True)\n"
    )
    command = [PODWIRE, "exec", "--name", pods.name, "client", "--", "/usr/bin/python3", "-c", program]
    process = subprocess.Popen(
        command, env=pods.home.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    yield process
    assert process.stdin is not None
    process.stdin.close()
    process.wait(10)


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_role_comes_back_and_no_pod_notices(pods: World, flow: "subprocess.Popen[str]", role: str) -> None:
    before, killed = state(pods), victims(pods, role)
    assert killed, f"no process {role}"
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert not answers(pods, address_of_closed(pods)), "a closed pod answered while a role was away"
    eventually(lambda: bool(set(victims(pods, role)) - set(killed)), 60, f"the return of {role}")
    eventually(lambda: answers(pods, service_address(pods)), 60, "the Service's answer")
    assert not answers(pods, address_of_closed(pods))
    assert state(pods) == before
    assert flow.stdin is not None
    assert flow.stdout is not None
    flow.stdin.write("still there?\n")
    flow.stdin.flush()
    assert flow.stdout.readline() == "alive\n"


@pytest.mark.long
def test_agents_and_api_servers_that_die_lose_no_request(pods: World) -> None:
    """Two rounds of kill -9 for each: connections that exist live on, new ones find their endpoint."""
    inside, outside = service_address(pods), balancer_address(pods)
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(client(pods, place, kind, where, 80))
            for place, where in (("default/client", inside), ("node-1", inside), ("outside", outside))
            for kind in ("requests", "held")
        ]
        for role in ("pw-agent-node-1", "pw-agent-node-2", "pw-apiserver", "pw-controllers") * 2:
            killed = victims(pods, role)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            eventually(lambda role=role, killed=killed: bool(set(victims(pods, role)) - set(killed)), 60, role)  # type: ignore[misc]
        eventually(lambda: pods.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, 60)
    assert [one.outcome.lost for one in clients] == [()] * len(clients)
    assert all(sum(one.outcome.by.values()) > 20 for one in clients)


def address_of_closed(world: World) -> str:
    return address(world, "closed")


def service_address(world: World) -> str:
    return world.jsonpath("service server", "{.spec.clusterIP}")


def balancer_address(world: World) -> str:
    return eventually(lambda: world.jsonpath("service server", "{.status.loadBalancer.ingress[0].ip}"))


def test_killed_shims_come_back_with_their_containers_running_and_their_output_whole(pods: World) -> None:
    before, shims = state(pods), victims(pods, "pw-shim")
    assert shims
    for pid in shims:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(victims(pods, "pw-shim")) - set(shims)) == len(shims), 60, "the return of all shims")
    last = ticks(pods)[-1]
    eventually(lambda: ticks(pods)[-1] > last + 3, 60, "new output of a running container")
    seen = ticks(pods)
    assert seen == list(range(1, len(seen) + 1)), "output was lost or doubled"
    assert state(pods) == before


def test_what_was_acknowledged_survives_the_death_of_the_api_server(pods: World) -> None:
    names = [f"kept-{number}" for number in range(20)]
    for name in names:
        pods.kubectl("create", "configmap", name)
        if name.endswith("9"):
            for pid in victims(pods, "pw-apiserver"):
                os.kill(pid, signal.SIGKILL)
    listed = pods.jsonpath("configmaps", "{.items[*].metadata.name}").split()
    assert set(names) <= set(listed)


@pytest.fixture
def full(pods: World) -> Iterator[None]:
    """Nothing can be written to /run, nor to what pods write to."""
    nodes = ("node-1", "node-2")
    folders = ["/run", *(f"/run/podwire/ephemeral/{node}" for node in nodes)]
    lines = pods.run_in("underlay", "df", "-k", "--output=size,used", *folders).stdout.splitlines()[1:]
    for folder, line in zip(folders, lines, strict=True):
        used = max(int(line.split()[1]), 4)
        pods.run_in("underlay", "mount", "-o", f"remount,size={used}k", folder)
        pods.run_in("underlay", "sh", "-c", f"cat /dev/zero > {folder}/filled", check=False)
    yield
    for folder, line in zip(folders, lines, strict=True):
        pods.run_in("underlay", "rm", f"{folder}/filled")
        pods.run_in("underlay", "mount", "-o", f"remount,size={line.split()[0]}k", folder)


@pytest.mark.usefixtures("full")
def test_full_file_systems_stop_neither_pods_nor_the_api_nor_new_pods(
    pods: World, flow: "subprocess.Popen[str]"
) -> None:
    refused = pods.run_in("underlay", "sh", "-c", "echo x > /run/more", check=False)
    assert refused.returncode != 0
    before = state(pods)
    killed = [*victims(pods, "pw-shim"), *victims(pods, "pw-zygote"), *victims(pods, "pw-apiserver")]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: pods.kubectl("create", "configmap", "full", check=False).returncode == 0, 60)
    pods.kubectl("run", "during", "--image=nginx", "--port=80")
    eventually(lambda: pods.jsonpath("pod during", "{.status.containerStatuses[0].ready}") == "true", 60)
    assert answers(pods, address(pods, "during"))
    assert not answers(pods, address_of_closed(pods))
    assert flow.stdin is not None
    assert flow.stdout is not None
    flow.stdin.write("still there?\n")
    flow.stdin.flush()
    assert flow.stdout.readline() == "alive\n"
    pods.kubectl("delete", "pod", "during", "--now")
    assert state(pods) == before


def test_pods_come_and_go_after_all_that(pods: World) -> None:
    pods.kubectl("run", "late", "--image=nginx", "--port=80")
    pods.kubectl("wait", "pod/late", "--for=condition=Ready", "--timeout=30s")
    assert answers(pods, address(pods, "late"))
    pods.kubectl("delete", "pod", "late", "--grace-period=1")
    assert "late" not in pods.kubectl("get", "pods").stdout
