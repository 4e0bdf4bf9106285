"""Nodes in two subnets with a router between them: nodes 1 and 2 are in the first, node 3 is in the second."""

from __future__ import annotations

from podwire.kernel import sysctl
from podwire.kernel.namespaces import inside_network
from podwire.pods.model import Cluster
from podwire.pods.runtime.installation import install
from tests.pods.cluster import PLUGIN, Machine, eventually, node_with, plug, start_all
from tests.sandbox import Host, join

SUBNETS = {1: 1, 2: 1, 3: 2}
"""Node to subnet."""
STRICT = {"net/ipv4/conf/all/rp_filter": 1, "net/ipv4/conf/default/rp_filter": 1}


def addresses(number: int) -> tuple[str, str]:
    """The node's addresses."""
    subnet = SUBNETS[number]
    return f"172.18.{subnet}.{number + 1}", f"fd00:172:18:{subnet}::{number + 1}"


class TwoSubnets:
    """Three nodes with their agents, and their router, which knows no pod range. `strict`: rp_filter is 1."""

    def __init__(self, cluster: Cluster, *, strict: bool = False) -> None:
        install(PLUGIN)
        self.underlay = Host("underlay")
        self.router = Host("router")
        with inside_network(self.router.path):
            sysctl.write({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
        for subnet in (1, 2):
            self.underlay.run("ip", "link", "add", f"br{subnet}", "type", "bridge")
            self.underlay.run("ip", "link", "set", f"br{subnet}", "up")
            join(self.router, self.underlay, f"subnet{subnet}", f"router{subnet}")
            self.underlay.run("ip", "link", "set", f"router{subnet}", "master", f"br{subnet}")
            self.router.add_addresses(f"subnet{subnet}", f"172.18.{subnet}.1/24", f"fd00:172:18:{subnet}::1/64")
        self.objects = [node_with(number, *addresses(number)) for number in SUBNETS]
        self.machines = [Machine(number, cluster) for number in SUBNETS]
        for number, machine in zip(SUBNETS, self.machines, strict=True):
            self._connect(number, machine.host, strict=strict)
        start_all(self.machines, self.objects)

    def _connect(self, number: int, host: Host, *, strict: bool) -> None:
        if strict:
            with inside_network(host.path):
                sysctl.write(STRICT)
        subnet = SUBNETS[number]
        ipv4, ipv6 = addresses(number)
        plug(host, self.underlay, host.name, f"{ipv4}/24", f"{ipv6}/64", bridge=f"br{subnet}")
        host.run("ip", "route", "add", "default", "via", f"172.18.{subnet}.1")
        host.run("ip", "-6", "route", "add", "default", "via", f"fd00:172:18:{subnet}::1")

    def teach_router(self) -> None:
        """Give the router a route to each node's pods."""
        for number in SUBNETS:
            ipv4, ipv6 = addresses(number)
            self.router.run("ip", "route", "replace", f"10.244.{number}.0/24", "via", ipv4)
            self.router.run("ip", "-6", "route", "replace", f"fd00:10:244:{number}::/64", "via", ipv6)

    def change(self, machine: Machine, cluster: Cluster) -> None:
        """Start the agent of one node again with other settings, as a rolling update does."""
        machine.kill()
        machine.use(cluster)
        machine.start(*self.objects)
        eventually((machine.folder / "settled").exists)

    def __enter__(self) -> TwoSubnets:
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines:
            machine.kill()
