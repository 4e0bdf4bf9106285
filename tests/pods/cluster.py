"""A small cluster for tests: nodes with real agents on an underlay, pods, and a runtime that executes the plugin."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from podwire.kernel import namespaces, sysctl
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.kube.core import Namespace, Node, NodeAddress, NodeSpec, NodeStatus
from podwire.kube.discovery import Endpoint, EndpointSlice
from podwire.kube.meta import ObjectMeta
from podwire.kube.pod_pools import LABEL
from podwire.kube.watch import Change
from podwire.pods.attachment import Attachment
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from podwire.pods.network import PodNetwork, Settings
from podwire.pods.runtime.installation import configuration_list, install
from tests.sandbox import Host, end_with_parent, join

PLUGIN = Path("/run/podwire/cni/bin/podwire")
RANGES = (ipaddress.ip_network("10.244.0.0/16"), ipaddress.ip_network("fd00:10:244::/56"))
DIRECT, VXLAN = Cluster(RANGES), Cluster(RANGES, Mode.VXLAN)


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        threading.Event().wait(0.01)


def node_object(number: int, versions: tuple[int, ...] = (4, 6)) -> Node:
    """Node N of a world, with InternalIPs of these IP versions."""
    known = {4: f"172.18.0.{number + 1}", 6: f"fd00:172:18::{number + 1}"}
    return node_with(number, *(known[version] for version in versions))


def node_with(number: int, *addresses: str) -> Node:
    """Node N with these InternalIPs."""
    return Node(
        metadata=ObjectMeta(name=f"node-{number}"),
        spec=NodeSpec(pod_cidrs=(f"10.244.{number}.0/24", f"fd00:10:244:{number}::/64")),
        status=NodeStatus(addresses=tuple(NodeAddress("InternalIP", address) for address in addresses)),
    )


def with_ranges(node: Node, versions: tuple[int, ...]) -> Node:
    """The Node with podCIDRs of these IP versions alone."""
    ranges = (text for text in node.spec.pod_cidrs if ipaddress.ip_network(text).version in versions)
    return replace(node, spec=NodeSpec(pod_cidrs=tuple(ranges)))


class FileGate:
    """Admits unless the file `hold` is in its folder, releases unless `keep` is; writes its calls to `reported`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def admit(self, attachment: Attachment) -> None:
        self._note("admit", attachment)
        await asyncio.to_thread(eventually, lambda: not (self._folder / "hold").exists(), 60)

    def obstacle(self, attachment: Attachment) -> str:
        return f"the gate holds {attachment.pod}"

    async def release(self, attachment: Attachment) -> None:
        self._note("release", attachment)
        await asyncio.to_thread(eventually, lambda: not (self._folder / "keep").exists(), 60)

    def _note(self, verb: str, attachment: Attachment) -> None:
        with (self._folder / "reported").open("a") as file:
            file.write(f"{verb} {attachment.pod} {attachment.addresses[0]}\n")


class Machine:
    """A node: its namespace in the underlay, and an agent that can be killed and started again."""

    def __init__(self, number: int, cluster: Cluster, gate_seconds: float = 60.0) -> None:
        self.name = f"node-{number}"
        self.host = Host(self.name)
        self.folder = Path("/run/podwire/nodes") / self.name
        self.folder.mkdir(parents=True)
        self.settings = Settings(
            self.name,
            cluster,
            self.folder / "cni.sock",
            self.folder / "cni.db",
            SysctlRecord(self.folder / "sysctls.json"),
            gate_seconds,
        )
        self.mark = self.folder / "cni.sock.ready"
        self.agent = 0
        self.namespaces: dict[str, str] = {}
        """The namespaces that the next agent knows, and the pools in their labels."""

    def start(self, *nodes: Node) -> None:
        """Start the agent with these Nodes known to it; return when it serves."""
        self.settings.socket.unlink(missing_ok=True)
        self.agent = os.fork()
        if self.agent == 0:
            try:
                end_with_parent()
                logging.basicConfig(level=logging.ERROR)
                namespaces.enter_network(self.host.path)
                asyncio.run(self._serve(nodes))
            finally:
                os._exit(1)
        eventually(self.settings.socket.exists)

    async def _serve(self, nodes: tuple[Node, ...]) -> None:
        network = PodNetwork(self.settings, FileGate(self.folder))
        running = asyncio.create_task(network.run())

        def receive() -> None:
            node = msgspec.json.decode((self.folder / "node.json").read_bytes(), type=Node)
            network.node_changed(Change(None, node))

        def receive_slice() -> None:
            found = msgspec.json.decode((self.folder / "slice.json").read_bytes(), type=EndpointSlice)
            network.slice_changed(Change(None, found))

        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, receive)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, receive_slice)
        for node in nodes:
            network.node_changed(Change(None, node))
        for name, pool in self.namespaces.items():
            network.namespace_changed(Change(None, Namespace(metadata=ObjectMeta(name=name, labels={LABEL: pool}))))
        network.nodes_complete()
        network.slices_complete()
        await network.settle()
        (self.folder / "settled").touch()
        await running

    def use(self, cluster: Cluster) -> None:
        """The next agent has these settings."""
        self.settings = replace(self.settings, cluster=cluster)

    def readdress(self, number: int, *addresses: str) -> None:
        """Let the running agent receive a Node with these InternalIPs."""
        (self.folder / "node.json").write_bytes(msgspec.json.encode(node_with(number, *addresses)))
        os.kill(self.agent, signal.SIGUSR1)

    def publish(self, namespace: str, name: str, *addresses: str) -> None:
        """Let the running agent receive an EndpointSlice."""
        found = EndpointSlice(
            metadata=ObjectMeta(namespace=namespace, name=name), endpoints=(Endpoint(addresses=addresses),)
        )
        (self.folder / "slice.json").write_bytes(msgspec.json.encode(found))
        os.kill(self.agent, signal.SIGUSR2)

    def kill(self) -> None:
        """kill -9 the agent, if it runs."""
        if self.agent:
            os.kill(self.agent, signal.SIGKILL)
            os.waitpid(self.agent, 0)
            self.agent = 0
        (self.folder / "settled").unlink(missing_ok=True)

    def kill_without_mark(self) -> None:
        """kill -9 the agent and remove its mark, which it leaves at some moment after the first answers."""
        self.kill()
        self.mark.unlink(missing_ok=True)

    @property
    def reported(self) -> list[str]:
        """The calls of the gate."""
        path = self.folder / "reported"
        return path.read_text().splitlines() if path.exists() else []

    def cni(
        self, command: str, pod: Host | None = None, config: dict[str, Any] | None = None, **variables: str
    ) -> tuple[int, Any]:
        """Call the plugin as a runtime does; answers exit status and the JSON it printed."""
        return finish(self.call(command, pod, config, **variables))

    def call(
        self, command: str, pod: Host | None = None, config: dict[str, Any] | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        """Start the plugin and do not wait for it."""
        network = json.loads(configuration_list(self.settings.socket))
        content = {"cniVersion": "1.1.0", "name": network["name"], **network["plugins"][0], **(config or {})}
        environment = {"CNI_COMMAND": command, "CNI_PATH": str(PLUGIN.parent)}
        if pod is not None:
            environment |= {
                "CNI_CONTAINERID": pod.name,
                "CNI_NETNS": str(pod.path),
                "CNI_IFNAME": "eth0",
                "CNI_ARGS": _arguments(pod, "shop"),
            }
        environment |= variables
        process = self.host.popen(str(PLUGIN), env=environment, stdin=-1, stdout=-1, stderr=-1)
        assert process.stdin is not None, "it was requested"
        process.stdin.write(json.dumps(content))
        process.stdin.close()
        process.stdin = None
        return process

    def pod(self, name: str, namespace: str = "shop") -> Pod:
        """A new pod with its network."""
        pod = Pod(name)
        status, pod.result = self.cni("ADD", pod, CNI_ARGS=_arguments(pod, namespace))
        assert status == 0, pod.result
        return pod

    def refusal(self, name: str, namespace: str) -> str:
        """Why a pod gets no network."""
        pod = Pod(name)
        status, found = self.cni("ADD", pod, CNI_ARGS=_arguments(pod, namespace))
        assert status != 0, found
        return str(found["msg"])

    def links(self) -> list[str]:
        """The pods' links on this node."""
        listing = json.loads(self.host.run("ip", "-j", "link").stdout)
        return [link["ifname"] for link in listing if link["ifname"].startswith("pw")]

    def dropped(self) -> int:
        """Packets that the rules dropped."""
        ruleset = json.loads(self.host.run("nft", "-j", "list", "ruleset").stdout)["nftables"]
        rules = [item["rule"]["expr"] for item in ruleset if "rule" in item]
        drops = [rule for rule in rules if {"drop": None} in rule]
        return sum(expression["counter"]["packets"] for rule in drops for expression in rule if "counter" in expression)


def _arguments(pod: Host, namespace: str) -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={pod.name};K8S_POD_UID=u-{pod.name}"


def finish(process: subprocess.Popen[str]) -> tuple[int, Any]:
    """Exit status and output of a plugin."""
    output, errors = process.communicate(timeout=60)
    assert not errors, errors
    return process.returncode, json.loads(output) if output else None


class Pod(Host):
    """A pod's namespace and the result of its ADD."""

    result: Any = None

    def address(self, version: int) -> str:
        """Its address of one IP version."""
        addresses = [str(entry["address"]).partition("/")[0] for entry in self.result["ips"]]
        return next(address for address in addresses if (":" in address) == (version == 6))


def plug(host: Host, underlay: Host, name: str, *addresses: str, bridge: str = "br0") -> None:
    """Join a host to a bridge of the underlay. No address of it is ever tentative, which would cost seconds."""
    with namespaces.inside_network(host.path):
        sysctl.write({"net/ipv6/conf/default/accept_dad": 0})
    join(host, underlay, "eth0", name)
    underlay.run("ip", "link", "set", name, "master", bridge)
    host.add_addresses("eth0", *addresses)


def default_route(host: Host) -> None:
    """All else by the outside host."""
    host.run("ip", "route", "add", "default", "via", "172.18.255.1")
    host.run("ip", "-6", "route", "add", "default", "via", "fd00:172:18::ff01")


def start_all(machines: list[Machine], objects: list[Node]) -> None:
    """Start the agents; return when all is applied that they know."""
    for machine in machines:
        machine.start(*objects)
    for machine in machines:
        eventually((machine.folder / "settled").exists)


class SmallCluster:
    """Nodes on one underlay, with all agents running, and an outside host."""

    def __init__(
        self,
        nodes: int = 1,
        cluster: Cluster = DIRECT,
        gate_seconds: float = 5.0,
        versions: tuple[int, ...] = (4, 6),
        pods: tuple[int, ...] = (4, 6),
    ) -> None:
        install(PLUGIN)
        self.underlay = Host("underlay")
        self.underlay.run("ip", "link", "add", "br0", "type", "bridge")
        self.underlay.run("ip", "link", "set", "br0", "up")
        self.outside = Host("outside")
        plug(self.outside, self.underlay, "outside", "172.18.255.1/16", "fd00:172:18::ff01/64")
        self.objects = [with_ranges(node_object(number, versions), pods) for number in range(1, nodes + 1)]
        self.machines = [Machine(number, cluster, gate_seconds) for number in range(1, nodes + 1)]
        for number, machine in enumerate(self.machines, start=1):
            addresses = f"172.18.0.{number + 1}/16", f"fd00:172:18::{number + 1}/64"
            plug(machine.host, self.underlay, machine.name, *addresses)
            default_route(machine.host)
        start_all(self.machines, self.objects)

    def stop(self) -> None:
        """End the agents."""
        for machine in self.machines:
            machine.kill()

    def __enter__(self) -> SmallCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
