"""The configuration of an agent, read once: from flags by `flags.py`, or made by the lab."""

from __future__ import annotations

from pathlib import Path

import msgspec

from podwire.announcement.bgp_settings import BgpSettings
from podwire.component.logs import LogFormat
from podwire.kube.credentials import Credentials
from podwire.pods.model import Cluster
from podwire.policy.choices import OnEstablished, Scope
from podwire.services.node_view import PRIMARY

HEALTHZ_PORT = 10256
METRICS_PORT = 10249
"""The ports of kube-proxy. Source: kubernetes.io "Ports and Protocols", kube-proxy's flags."""

SYSCTL_RECORD = "sysctls.json"

Address = tuple[str, int]

EVERYWHERE: tuple[Address, ...] = (("0.0.0.0", HEALTHZ_PORT), ("::", HEALTHZ_PORT))  # noqa: S104 load balancers probe it


class AgentConfig(msgspec.Struct, frozen=True):
    """Everything that an agent is configured with.

    Attributes:
        node: the name of its Node.
        credentials: the API server, and how to authenticate there.
        cluster: the ranges of all pods, and how packets travel between nodes.
        service_ranges: the ranges of Services' cluster addresses.
        nodeport_addresses: where node ports answer: ranges, or PRIMARY for the node's InternalIPs; never loopback.
        allow_external_ips: whether `externalIPs` of Services have an effect.
        default_deny: whether pods receive and send only what policies admit, and DNS.
        announce_ranges: load balancer addresses in these ranges are announced on the node's link; none: no address is.
        expect_kube_proxy: whether kube-proxy may run on this node, or may have left rules there.
        replace_kube_proxy: whether what kube-proxy left on the node is removed.
        bgp: the routers to which those addresses are announced by BGP too; None: no BGP.
        folder: state that outlives the process, and the agent's sockets.
        healthz: where `/healthz` and `/livez` answer as kube-proxy's do, and `/readyz`.
        metrics: where `/metrics`, `/proxyMode`, `/healthz` and `/readyz` answer.
        policy_on_established: whether connections that policies forbid while they exist are ended or kept.
        flow_records: which connections are recorded where no namespace's annotation requires more.
        check_kernel: whether the agent tries, as it starts, what it needs of the kernel, and reports what is missing.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    node: str
    credentials: Credentials
    cluster: Cluster
    service_ranges: tuple[str, ...]
    folder: Path
    healthz: tuple[Address, ...] = EVERYWHERE
    metrics: tuple[Address, ...] = (("127.0.0.1", METRICS_PORT),)
    nodeport_addresses: tuple[str, ...] = (PRIMARY,)
    allow_external_ips: bool = False
    default_deny: bool = False
    announce_ranges: tuple[str, ...] = ()
    bgp: BgpSettings | None = None
    expect_kube_proxy: bool = False
    replace_kube_proxy: bool = False
    policy_on_established: OnEstablished = "cut"
    flow_records: Scope = "dropped"
    check_kernel: bool = False
    log_format: LogFormat = "text"
    verbosity: int = 0

    @property
    def cni_socket(self) -> Path:
        """Where the CNI plugin of this node connects to the agent."""
        return self.folder / "cni.sock"

    @property
    def sysctl_record(self) -> Path:
        """The values that the node's kernel parameters had before the agent changed them."""
        return self.folder / SYSCTL_RECORD

    @property
    def known_objects(self) -> Path:
        """What was known last of the objects that policies read."""
        return self.folder / "objects.db"

    @property
    def rows_socket(self) -> Path:
        """Where `podwire rows` reads the desired rows."""
        return self.folder / "rows.sock"
