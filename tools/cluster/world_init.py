"""The first process of a cluster: makes the underlay and its hosts. The kernel ends all of it with this process.

Started by `up` inside new namespaces: `python -m tools.cluster.world_init FOLDER LISTENER`, where LISTENER is the
descriptor of a socket that listens on this machine's loopback, outside of the namespaces.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tools.cluster import cgroups, record
from tools.cluster.daemons import Daemon
from tools.cluster.layout import (
    API_PORT,
    BALANCER_RANGES,
    CLIENT4,
    CLIENT6,
    OUTSIDE,
    UNDERLAY4,
    UNDERLAY6,
    Host,
    Layout,
)
from tools.cluster.node_init import mount
from tools.cluster.supervisor import Supervisor

BRIDGE = "br0"
OWN_NAMESPACES = ("--net", "--uts", "--ipc", "--mount", "--pid", "--cgroup", "--mount-proc")
_POLL_SECONDS = 0.002


def main(folder: str, listener: str) -> None:
    """Make the network, start the hosts, relay the API server's port."""
    layout = record.load(Path(folder)).layout
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")  # for `ip netns`, and not to be seen by the machine
    ip(*bridge_commands())
    for host in layout.hosts:
        start_host(layout, host)
    os.set_inheritable(int(listener), True)
    relay = Daemon(
        "relay", (sys.executable, "-m", "tools.cluster.relay", listener, layout.control.address4, str(API_PORT))
    )
    Supervisor([relay], layout.logs, "", layout.socket(OUTSIDE)).run()


def start_host(layout: Layout, host: Host) -> None:
    """Start the first process of a host, and connect it to the underlay."""
    first = [
        "unshare", *OWN_NAMESPACES, "--fork", "--kill-child",
        sys.executable, "-m", "tools.cluster.node_init", str(layout.folder), host.name,
    ]  # fmt: skip
    process = subprocess.Popen(cgroups.inside(layout.name, host.name, first), stdin=subprocess.PIPE)
    home = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{process.pid}/ns/net") == home:
        time.sleep(_POLL_SECONDS)
    ip(f"link add {host.name} type veth peer name eth0 netns {process.pid}", f"link set {host.name} master {BRIDGE} up")
    ip(*host_commands(host), network=f"/proc/{process.pid}/ns/net")
    assert process.stdin is not None, "a pipe was requested"
    process.stdin.write(b"the network is there\n")
    process.stdin.flush()


def bridge_commands() -> list[str]:
    """What makes the underlay, for `ip -batch`."""
    return [
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"address add {UNDERLAY4[1]}/{UNDERLAY4.prefixlen} dev {BRIDGE}",
        f"address add {UNDERLAY6[1]}/{UNDERLAY6.prefixlen} dev {BRIDGE} nodad",
        f"link set {BRIDGE} up",
        f"address add {CLIENT4}/32 dev lo",
        f"address add {CLIENT6}/128 dev lo nodad",
        *(
            f"route add {balancers} dev {BRIDGE} src {client}"
            for balancers, client in zip(BALANCER_RANGES, (CLIENT4, CLIENT6), strict=True)
        ),
    ]


def host_commands(host: Host) -> list[str]:
    """What configures a host, for `ip -batch`. Its default routes lead to the underlay's router.

    A node's own packet to the address of a Service needs a route before it is translated.
    """
    return [
        "link set lo up",
        f"address add {host.address4}/{UNDERLAY4.prefixlen} dev eth0",
        f"address add {host.address6}/{UNDERLAY6.prefixlen} dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {UNDERLAY4[1]}",
        f"route add default via {UNDERLAY6[1]}",
    ]


def ip(*commands: str, network: str = "") -> None:
    """Run commands of `ip`, inside another network namespace where one is named. Raises CalledProcessError."""
    prefix = ["nsenter", f"--net={network}"] if network else []
    subprocess.run([*prefix, "ip", "-batch", "-"], check=True, input="\n".join(commands) + "\n", text=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
