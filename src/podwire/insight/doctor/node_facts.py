"""What is gathered on one node: plain values, which travel as JSON from the pod of an agent."""

from __future__ import annotations

import msgspec

from podwire.agent.agent_status import AgentStatus
from podwire.kernel.feature_check import FeatureResult
from podwire.kube.credentials import Credentials


class Peer(msgspec.Struct, frozen=True):
    """An address of another node."""

    node: str
    address: str


class NodeRequest(msgspec.Struct, frozen=True):
    """What to gather, and where it is on this node.

    Attributes:
        node: the name of its Node; empty before it has one.
        addresses: the Node's InternalIPs.
        credentials: the agent's, to reach the API server; None: the API is not tried.
        rows_socket: the agent's socket.
        cni_configuration: the folder of network configurations.
        cni_plugins: the folder of plugins.
        peers: nodes to which packets of full size are sent.
        dns: addresses of the cluster's DNS.
        role: the ClusterRole whose rights are reviewed.
        installed: whether podwire is expected to be there.

    """

    node: str = ""
    addresses: tuple[str, ...] = ()
    credentials: Credentials | None = None
    rows_socket: str = "/var/lib/podwire/rows.sock"
    cni_configuration: str = "/etc/cni/net.d"
    cni_plugins: str = "/opt/cni/bin"
    peers: tuple[Peer, ...] = ()
    dns: tuple[str, ...] = ()
    role: str = "podwire:agent"
    installed: bool = True


class LinkFact(msgspec.Struct, frozen=True):
    """A link that carries packets of pods: of a pod, the tunnel, or an uplink."""

    name: str
    kind: str
    mtu: int


class ForeignRules(msgspec.Struct, frozen=True):
    """Rules that are not podwire's: whose, and where one of them is."""

    owner: str
    where: str


class DroppingChain(msgspec.Struct, frozen=True):
    """A base chain of another program with the policy drop."""

    table: str
    chain: str
    hook: str


class CniFile(msgspec.Struct, frozen=True):
    """One network configuration, or why it cannot be read. Runtimes use the first by name."""

    name: str
    plugins: tuple[str, ...] = ()
    problem: str = ""


class ApiFact(msgspec.Struct, frozen=True):
    """How the API server is reached. `offset` is this clock minus the server's, in seconds."""

    server: str
    problem: str = ""
    milliseconds: float = 0.0
    offset: float | None = None
    certificate_expires: float | None = None


class Right(msgspec.Struct, frozen=True):
    """Something that the agent does at the API server."""

    verb: str
    resource: str


class Expiry(msgspec.Struct, frozen=True):
    """A token or a certificate, and the second since 1970 at which it expires. `renewed`: by the kubelet."""

    what: str
    expires: float
    renewed: bool = False


class ProbeFact(msgspec.Struct, frozen=True):
    """Whether a peer answers small packets, and those of the uplink's full size that must not be fragmented."""

    peer: Peer
    size: int
    small: bool
    large: bool


class DnsFact(msgspec.Struct, frozen=True):
    """Whether the DNS answers at an address; an empty problem where it does."""

    server: str
    protocol: str
    problem: str = ""


class MeshNodeFact(msgspec.Struct, frozen=True):
    """What the mesh's program on a node reports.

    Attributes:
        problem: why it is not ready; empty where it is.
        is_connected: whether the node's Envoy is.
        refusals: configurations that Envoy has refused since the program's start, by type.
        lacking, late: identities without certificate, and certificates past three quarters of their life.
        has_wrong_options: whether the ConfigMap of options cannot be read.

    """

    problem: str = ""
    is_connected: bool = True
    refusals: dict[str, int] = {}
    lacking: int = 0
    late: int = 0
    has_wrong_options: bool = False


class NodeFacts(msgspec.Struct, frozen=True):
    """Everything of one node. `problems` has, by part, why it could not be gathered."""

    node: str
    time: float
    installed: bool = True
    kernel: str = ""
    features: tuple[FeatureResult, ...] = ()
    sysctls: dict[str, str] = {}
    conntrack: tuple[int, int] | None = None
    uplink: LinkFact | None = None
    links: tuple[LinkFact, ...] = ()
    foreign: tuple[ForeignRules, ...] = ()
    dropping: tuple[DroppingChain, ...] = ()
    cni_folder: str = ""
    cni_files: tuple[CniFile, ...] = ()
    cni_others: tuple[str, ...] = ()
    cni_plugin: str = ""
    cni_plugin_works: bool = False
    agent: AgentStatus | None = None
    agent_problem: str = ""
    api: ApiFact | None = None
    denied: tuple[Right, ...] = ()
    expiries: tuple[Expiry, ...] = ()
    probes: tuple[ProbeFact, ...] = ()
    dns: tuple[DnsFact, ...] = ()
    mesh: MeshNodeFact | None = None
    problems: dict[str, str] = {}
