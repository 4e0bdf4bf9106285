"""The world that a run uses. Its state folder, images and kubeconfig are its own: no other world is touched.

The suite runs on the world's host `outside`, as it would beside a cluster of machines: it reaches load balancers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import yaml

from podwire.lab.network.topology import Topology
from tools.conformance import cache

PROGRAMS = Path(sys.executable).parent
"""Where podwire and kubectl are: the virtual environment that runs this."""

NAME = "conformance"
NODES = 3
OPTIONS = ("--allow-external-ips", "--zones", "a,b,c")
"""One test is about externalIPs, which are refused by default; some are about three zones. Those of them that need two
nodes in each zone run with `--nodes 6` only."""

DOWN_SECONDS = 60.0
AS_CLIENT = "ip address add 203.0.113.1/32 dev lo; ip route add 172.18.254.0/24 dev eth0 src 203.0.113.1"
"""Gives `outside` an address for load balancers (RFC 5737): the suite takes a client in the nodes' /16 for a
masqueraded one."""
API_PORT = 6443
"""The API server's port on the underlay."""


@dataclass(frozen=True, slots=True)
class Client:
    """How programs reach a cluster: a kubeconfig, what is before each command line, and its environment."""

    kubeconfig: Path
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def environment(state: Path) -> dict[str, str]:
    """What podwire is called with, so that everything it keeps is below `state`."""
    return {**os.environ, "PODWIRE_STATE": str(state / "state"), "KUBECONFIG": str(state / "kubeconfig")}


def state_folder(name: str) -> Path:
    """Where the world of this name keeps its images and logs: kept between runs, since images are unpacked once."""
    return cache.root() / f"world-{name}"


class Held(msgspec.Struct, frozen=True):
    """An image in the store, as `podwire image ls -o json` has it."""

    id: str
    names: tuple[str, ...]


@contextlib.contextmanager
def running(name: str, images: list[Path], nodes: int = NODES, options: tuple[str, ...] = OPTIONS) -> Iterator[Client]:
    """Start a world with these images, for programs outside of it. It ends with the block, or with this process.

    `options` are those of `podwire up`. Raises CalledProcessError where it does not start; podwire has said why.
    """
    state = state_folder(name)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    podwire, settings = str(PROGRAMS / "podwire"), environment(state)
    _load(podwire, images, settings)
    held, lifeline = os.pipe()
    up = [podwire, "up", "--quiet", "--name", name, "--nodes", str(nodes), "--lifeline", str(held), *options]
    try:
        subprocess.run(up, check=True, env=settings, pass_fds=[held])
        client = Client(outside(state / "kubeconfig"), (podwire, "outside", "--name", name, "--"), settings)
        subprocess.run([*client.prefix, "sh", "-e", "-c", AS_CLIENT], check=True, env=settings)
        yield client
    finally:
        down = [podwire, "down", "--name", name]
        subprocess.run(down, check=False, env=settings, stdout=subprocess.DEVNULL, timeout=DOWN_SECONDS)
        os.close(held)
        os.close(lifeline)


def outside(kubeconfig: Path) -> Path:
    """Write the kubeconfig for the host `outside`, which reaches the API server on the underlay; return its path."""
    config = yaml.safe_load(kubeconfig.read_text())
    for entry in config["clusters"]:
        entry["cluster"]["server"] = f"https://{Topology(nodes=NODES).control4.ip}:{API_PORT}"
    written = kubeconfig.with_name("kubeconfig-outside")
    written.touch(mode=0o600)
    written.write_text(yaml.safe_dump(config))
    return written


def _load(podwire: str, images: list[Path], settings: dict[str, str]) -> None:
    """Load the images, and remove those that lost their names to newer builds."""
    for image in images:
        subprocess.run([podwire, "image", "load", str(image)], check=True, env=settings, stdout=subprocess.DEVNULL)
    listed = [podwire, "image", "ls", "-o", "json"]
    printed = subprocess.run(listed, check=True, env=settings, capture_output=True).stdout
    for held in msgspec.json.decode(printed, type=list[Held]):
        if not held.names:
            # One that a container still runs from is refused, and goes with a later run.
            removal = [podwire, "image", "rm", held.id]
            subprocess.run(removal, check=False, env=settings, capture_output=True)
