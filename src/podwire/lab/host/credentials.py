"""Client certificates of a world: one for its user and one for each role. No other client is accepted."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from podwire.component import permissions
from podwire.kube.credentials import Credentials
from podwire.lab.host.access import Access
from podwire.lab.host.worlds import World
from podwire.lab.network.topology import Topology
from podwire.pki import certificates
from podwire.pki.jwt import SigningKey

ADMIN = "admin"
CONTROLLERS = "controllers"
DNS = "dns"
RELAY = "relay"
GATEWAY = "gateway"
MESH = "mesh"
SERVER = "server"
TOKENS = "tokens.key"
"""The key that signs the tokens of ServiceAccounts."""

COMPLETE = "complete"
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.005


def runtime_of(node: str) -> str:
    """The name of a node runtime's files."""
    return f"runtime-{node}"


def agent_of(node: str) -> str:
    """The name of a node agent's files."""
    return f"agent-{node}"


def clients(topology: Topology) -> dict[str, tuple[str, tuple[str, ...]]]:
    """For each file name the user and the groups of its certificate."""
    nodes = [node.name for node in topology.all_nodes()]
    return {
        ADMIN: ("kubernetes-admin", ("system:masters",)),
        CONTROLLERS: ("system:kube-controller-manager", ()),
        DNS: (permissions.DNS, ()),
        RELAY: (permissions.RELAY, ()),
        GATEWAY: (permissions.GATEWAY, ()),
        MESH: (permissions.MESH, ()),
        **{runtime_of(node): (f"system:node:{node}", ("system:nodes",)) for node in nodes},
        **{agent_of(node): (f"{permissions.AGENT}:{node}", (permissions.AGENTS,)) for node in nodes},
    }


def create(world: World, topology: Topology) -> Access:
    """Make all keys of a world in its folder; answers those of its user.

    The authority's own key is written too, as later roles need certificates; only the owner can read the folder.
    """
    folder = world.folder / "pki"
    folder.mkdir(mode=0o700)
    authority = certificates.Authority.create(world.context)
    certificates.write(folder, "ca", authority.pair)
    addresses = ("127.0.0.1", "::1", str(topology.control4.ip), str(topology.control6.ip), *topology.api_service)
    names = (*certificates.SERVER_NAMES, f"kubernetes.default.svc.{topology.domain}")
    certificates.write(folder, SERVER, authority.server(names, addresses))
    for name, (user, groups) in clients(topology).items():
        certificates.write(folder, name, authority.client(user, groups))
    certificates.write_private(folder / TOKENS, SigningKey.create().pem())
    certificates.write_private(folder / COMPLETE, b"")
    return Access(
        name=world.context,
        server=host_server(world),
        authority=authority.pair.certificate,
        certificate=(folder / f"{ADMIN}.crt").read_bytes(),
        key=(folder / f"{ADMIN}.key").read_bytes(),
    )


def host_server(world: World) -> str:
    """The API server's URL on the host."""
    return f"https://127.0.0.1:{world.api_port}"


def of_host(world: World) -> Credentials:
    """The user's credentials from the host."""
    return of_folder(world.folder / "pki", ADMIN, host_server(world))


def of_folder(folder: Path, name: str, server: str) -> Credentials:
    """The credentials of one client."""
    return Credentials(server, str(folder / "ca.crt"), str(folder / f"{name}.crt"), str(folder / f"{name}.key"))


def wait(folder: Path) -> None:
    """Return when `create` is done: it works on the host while the world starts. Raises TimeoutError."""
    deadline = time.monotonic() + WAIT_SECONDS
    pause = threading.Event()
    while not (folder / COMPLETE).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{folder}: the keys of this world were not made within {WAIT_SECONDS:g} s")
        pause.wait(POLL_SECONDS)
