"""The report about the machine that this process runs on: of an agent's pod, or before an installation."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from podwire.insight.doctor import machine
from podwire.insight.doctor.machine_checks import PLUGIN_TYPE
from podwire.insight.doctor.node_facts import NodeFacts, NodeRequest
from podwire.insight.doctor.node_survey import gather
from podwire.kernel import links
from podwire.kernel.netlink import Netlink
from podwire.kernel.routes import routes
from podwire.kube.credentials import SERVICE_ACCOUNT, CredentialsError, in_cluster


def facts_json(request: str) -> bytes:
    """Return the facts that a client requested. Raises msgspec's ValidationError."""
    return msgspec.json.encode(gather(msgspec.json.decode(request, type=NodeRequest)))


def facts() -> NodeFacts:
    """Return the facts of this machine, as far as they need no cluster or this process is a pod."""
    usual = NodeRequest()
    configured = any(PLUGIN_TYPE in one.plugins for one in machine.cni_files(Path(usual.cni_configuration)))
    try:
        credentials = in_cluster() if (SERVICE_ACCOUNT / "token").exists() else None
    except CredentialsError:
        credentials = None
    return gather(
        NodeRequest(
            node=os.environ.get("NODE_NAME", ""),
            addresses=tuple(_default_addresses()),
            credentials=credentials,
            installed=configured or Path(usual.rows_socket).exists(),
        )
    )


def _default_addresses() -> list[str]:
    """The addresses of the links with a default route."""
    with Netlink() as netlink:
        indexes = {
            route.link for version in (4, 6) for route in routes(netlink, version) if not route.destination.prefixlen
        }
        return [str(entry.address) for entry in links.addresses(netlink) if entry.link in indexes]
