"""The reference plugins of containernetworking in one list with podwire, called as a runtime calls them.

Source: CNI specification 1.1.0, section 4 (derivation of the execution configuration).
"""

import contextlib
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tools.conformance.programs import MissingGoError, Program, build

from podwire.pods.runtime.installation import configuration_list
from tests.pods.cluster import PLUGIN, Machine, Pod, SmallCluster
from tests.pods.packets import opened, tcp_peer_seen, udp_peer_seen
from tests.sandbox import Host, sandboxed

pytestmark = pytest.mark.long

PACKAGES = "github.com/containernetworking/plugins/plugins"
PATHS = ("main/ptp", "main/bridge", "ipam/host-local", "meta/portmap", "meta/bandwidth", "meta/tuning")
VERSIONS = pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
PORTMAP = {
    "type": "portmap",
    "backend": "nftables",
    "runtimeConfig": {"portMappings": [{"hostPort": 8081, "containerPort": 8080, "protocol": "tcp"}]},
}
TUNING = {"type": "tuning", "dataDir": "/run/tuning", "mtu": 1400, "sysctl": {"net.core.somaxconn": "500"}}
BANDWIDTH = {"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 800_000}


@pytest.fixture(scope="module")
def programs() -> dict[str, Path]:
    try:
        return {
            path.rpartition("/")[2]: build(Program(path.rpartition("/")[2], f"{PACKAGES}/{path}", module="cni"))
            for path in PATHS
        }
    except MissingGoError as error:
        pytest.skip(str(error))


class Runtime:
    """Calls the plugins of one list for pods of one node."""

    def __init__(self, node: Machine, programs: dict[str, Path], version: str, *plugins: dict[str, Any]) -> None:
        self._node = node
        for name, program in programs.items():
            shutil.copy(program, PLUGIN.parent / name)
        own = json.loads(configuration_list(node.settings.socket))["plugins"][0]
        common = {"cniVersion": version, "name": "list"}
        self._plugins = [{**common, **(own if plugin == {"type": "podwire"} else plugin)} for plugin in plugins]

    def add(self, pod: Host) -> Any:
        """Front to back, each with the result of the one before. Raises AssertionError with the first error."""
        result = None
        for plugin in self._plugins:
            status, result = self._call("ADD", pod, plugin, result)
            assert status == 0, (plugin["type"], result)
        return result

    def check(self, pod: Host, result: Any) -> tuple[int, Any]:
        """Front to back, each with the last result; the first error."""
        for plugin in self._plugins:
            status, answer = self._call("CHECK", pod, plugin, result)
            if status:
                return status, (plugin["type"], answer)
        return 0, None

    def delete(self, pod: Host, result: Any) -> None:
        """Back to front, each with the last result, twice: a runtime may repeat it."""
        for plugin in [*reversed(self._plugins), *reversed(self._plugins)]:
            status, answer = self._call("DEL", pod, plugin, result)
            assert status == 0, (plugin["type"], answer)

    def _call(self, command: str, pod: Host, plugin: dict[str, Any], previous: Any) -> tuple[int, Any]:
        environment = {
            "CNI_COMMAND": command,
            "CNI_PATH": str(PLUGIN.parent),
            "CNI_CONTAINERID": pod.name,
            "CNI_NETNS": str(pod.path),
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod.name};K8S_POD_UID=u-{pod.name}",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        content = plugin if previous is None else {**plugin, "prevResult": previous}
        process = self._node.host.popen(
            str(PLUGIN.parent / plugin["type"]), env=environment, stdin=-1, stdout=-1, stderr=-1
        )
        output, _ = process.communicate(json.dumps(content), timeout=30)
        return process.returncode, json.loads(output) if output else None


@contextlib.contextmanager
def chained(node: Machine, programs: dict[str, Path], version: str, *plugins: dict[str, Any]) -> Iterator[Pod]:
    """A pod with a network by this list, which passes CHECK, and whose DEL leaves nothing on the node."""
    runtime = Runtime(node, programs, version, *plugins)
    pod = Pod("chained")
    before = traces(node)
    pod.result = runtime.add(pod)
    assert runtime.check(pod, pod.result) == (0, None)
    yield pod
    runtime.delete(pod, pod.result)
    assert traces(node) == before


def traces(node: Machine) -> tuple[set[str], str]:
    """Links and routes of the node."""
    names = {link["ifname"] for link in json.loads(node.host.run("ip", "-j", "link").stdout)}
    return names, node.host.run("sh", "-c", "ip route; ip -6 route").stdout


def ptp(version: str) -> dict[str, Any]:
    """The reference plugin that makes a routed link, with addresses of the node's pod range by host-local."""
    ranges = [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]]
    ipam = {
        "type": "host-local",
        "dataDir": f"/run/host-local-{version}",
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    }
    return {"type": "ptp", "ipMasq": False, "ipam": ipam}


@VERSIONS
@sandboxed
def test_portmap_bandwidth_and_tuning_behind_podwire(programs: dict[str, Path], version: str) -> None:
    with SmallCluster(2) as cluster:
        first, second = cluster.machines
        far = second.pod("far")
        with chained(first, programs, version, {"type": "podwire"}, PORTMAP, TUNING) as pod:
            assert "mtu 1400" in pod.run("ip", "link", "show", "eth0").stdout
            assert udp_peer_seen(far, pod, pod.address(4)) == far.address(4)
            mapped(cluster.outside, pod)
            listed = first.host.run("nft", "list", "ruleset").stdout
            assert "8081" in listed
        assert "8081" not in first.host.run("nft", "list", "ruleset").stdout


def mapped(client: Host, pod: Pod) -> None:
    """The host port leads to the pod."""
    with (
        opened(pod, "172.18.0.2", socket.SOCK_STREAM, bound=8080) as listener,
        opened(client, "172.18.0.2", socket.SOCK_STREAM) as connection,
    ):
        listener.listen()
        connection.connect(("172.18.0.2", 8081))
        listener.accept()[0].close()


@VERSIONS
@sandboxed
def test_bandwidth_behind_podwire(programs: dict[str, Path], version: str) -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        with chained(node, programs, version, {"type": "podwire"}, BANDWIDTH) as pod:
            link = pod.result["interfaces"][0]["name"]
            assert "tbf" in node.host.run("tc", "qdisc", "show", "dev", link).stdout
            assert tcp_peer_seen(node.host, pod, pod.address(4)) == "172.18.0.2"


@VERSIONS
@sandboxed
def test_podwire_behind_ptp_and_before_portmap(programs: dict[str, Path], version: str) -> None:
    with SmallCluster(2) as cluster:
        first, second = cluster.machines
        far = second.pod("far")
        with chained(first, programs, version, ptp(version), {"type": "podwire"}, PORTMAP) as pod:
            for family in (4, 6):
                assert tcp_peer_seen(pod, far, far.address(family)) == pod.address(family)
                assert udp_peer_seen(far, pod, pod.address(family)) == far.address(family)
            mapped(cluster.outside, pod)
            assert first.reported == [f"admit shop/chained {pod.address(4)}"]
        assert first.reported[-1] == f"release shop/chained {pod.address(4)}"


@sandboxed
def test_podwire_behind_bridge_is_refused(programs: dict[str, Path]) -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        bridge = {**ptp("1.1.0"), "type": "bridge", "bridge": "cni0", "isGateway": True}
        with pytest.raises(AssertionError, match="is a port of cni0"):
            Runtime(node, programs, "1.1.0", bridge, {"type": "podwire"}).add(Pod("a"))
