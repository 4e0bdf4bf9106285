"""Paths inside a world, which end with it, and on the host, one folder for each world."""

from __future__ import annotations

import os
from pathlib import Path

WORLD = Path("/run/podwire")
"""Inside a world: all its state, on tmpfs mounts of its mount namespace (`supervisor/filesystems.py`)."""

NETWORKS = WORLD / "netns"
PKI = WORLD / "pki"
STORE = WORLD / "store"
DATABASE = STORE / "api.db"
AUDIT_LOG = STORE / "audit.log"
NODES = WORLD / "nodes"
ROUTER = WORLD / "router"
EXITS = WORLD / "exits"
ZYGOTE_SOCKET = WORLD / "zygote.sock"
POWER_SOCKET = WORLD / "power.sock"
OUTSIDE_NAMES = WORLD / "outside-names.sock"
"""Where the DNS server outside of the cluster receives names of load balancers."""
CNI_PLUGINS = WORLD / "cni" / "bin"
CNI_NETWORKS = WORLD / "cni" / "net.d"


def network(host: str) -> Path:
    """The pinned network namespace of a host of the underlay: `underlay`, `outside` or a node."""
    return NETWORKS / host


def node(name: str) -> Path:
    """The state folder of a node."""
    return NODES / name


def ready_mark(name: str) -> Path:
    """The mark of a node's agent that the node's network is set up (podwire.pods.runtime.ready_mark)."""
    return node(name) / "cni.sock.ready"


def ephemeral(name: str) -> Path:
    """The folder for what pods of a node write: a tmpfs of its own, whose size bounds them all."""
    return WORLD / "ephemeral" / name


def images() -> Path:
    """On the host, and seen in every world: this user's images."""
    return state_root() / "images"


def state_root() -> Path:
    """On the host: where worlds are remembered. `PODWIRE_STATE` moves it."""
    named = os.environ.get("PODWIRE_STATE")
    if named:
        return Path(named)
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "podwire"
