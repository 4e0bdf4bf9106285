"""Kinds of the core group (`v1`) as podwire reads them. Source: k8s.io/api `core/v1`."""

from __future__ import annotations

import msgspec

from podwire.kube.meta import Condition, Object, Struct
from podwire.kube.scheduling import Affinity, Taint, Toleration
from podwire.kube.volumes import ObjectFieldSelector, Quantity, ResourceFieldSelector, Volume

IntOrString = int | str

CONFIG_MIRROR = "kubernetes.io/config.mirror"
CONFIG_HASH = "kubernetes.io/config.hash"
"""Annotations of the API's copy of a static pod: the hash of the file that a kubelet runs it from."""
FINISHED = ("Succeeded", "Failed")
"""The phases of pods that have ended and never start again."""

ZONE_LABEL = "topology.kubernetes.io/zone"
"""The zone of a node."""


class NamespaceSpec(Struct, frozen=True):
    """A namespace that is being deleted exists until its finalizers are removed."""

    finalizers: tuple[str, ...] = ()


class NamespaceStatus(Struct, frozen=True):
    """Phase: Active or Terminating."""

    phase: str = "Active"
    conditions: tuple[Condition, ...] = ()


class Namespace(Object, frozen=True):
    """A namespace; selectors read its labels."""

    spec: NamespaceSpec = NamespaceSpec()
    status: NamespaceStatus = NamespaceStatus()


TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"
EXCLUDE_FROM_LOAD_BALANCERS = "node.kubernetes.io/exclude-from-external-load-balancers"
"""A label: load balancers send nothing to this node, whatever its value (k8s.io/api `core/v1`)."""


class NodeAddress(Struct, frozen=True):
    """An address of a node. Type is InternalIP, ExternalIP or Hostname."""

    type: str = ""
    address: str = ""


class NodeSpec(Struct, frozen=True):
    """`podCIDRs` are the ranges that the node gives its pods, one per family."""

    pod_cidr: str = msgspec.field(default="", name="podCIDR")
    pod_cidrs: tuple[str, ...] = msgspec.field(default=(), name="podCIDRs")
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class NodeStatus(Struct, frozen=True):
    """Addresses, conditions and resources for pods that the node reports."""

    addresses: tuple[NodeAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    allocatable: dict[str, Quantity] = {}


class Node(Object, frozen=True):
    """A machine that runs pods."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()

    @property
    def internal_addresses(self) -> tuple[str, ...]:
        """The addresses by which other nodes reach this one, of both families."""
        return tuple(a.address for a in self.status.addresses if a.type == "InternalIP")

    @property
    def ready(self) -> bool:
        """The Ready condition."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)

    @property
    def leaving(self) -> bool:
        """Whether it is being deleted, or is marked for that by the cluster autoscaler."""
        return self.metadata.deletion_timestamp is not None or any(
            t.key == TO_BE_DELETED_TAINT for t in self.spec.taints
        )

    @property
    def zone(self) -> str:
        """The zone by the node's label; empty where it has none."""
        return self.metadata.labels.get(ZONE_LABEL, "")


class ContainerPort(Struct, frozen=True):
    """A port that a container declares."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"
    host_port: int | None = None
    host_ip: str = msgspec.field(default="", name="hostIP")


class HTTPHeader(Struct, frozen=True):
    """A header of a probe's request."""

    name: str
    value: str = ""


class HTTPGetAction(Struct, frozen=True):
    """A probe by HTTP; 200-399 is success."""

    port: IntOrString
    path: str = "/"
    scheme: str = "HTTP"
    host: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(Struct, frozen=True):
    """A probe that only connects."""

    port: IntOrString
    host: str = ""


class GRPCAction(Struct, frozen=True):
    """A probe by gRPC's health service; SERVING is success."""

    port: int
    service: str = ""


class ExecAction(Struct, frozen=True):
    """A probe that runs a program; exit status 0 is success."""

    command: tuple[str, ...] = ()


class SleepAction(Struct, frozen=True):
    """Wait for this many seconds."""

    seconds: int = 0


class LifecycleHandler(Struct, frozen=True):
    """A lifecycle hook: exactly one field is set."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Struct, frozen=True):
    """`postStart` is run beside a container's start, `preStop` before SIGTERM, within the pod's grace."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class Probe(Struct, frozen=True):
    """When and how the health of a container is checked. Times are seconds."""

    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    exec: ExecAction | None = None
    grpc: GRPCAction | None = None
    termination_grace_period_seconds: int | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3


class KeySelector(Struct, frozen=True):
    """A key of a ConfigMap or Secret."""

    key: str
    name: str = ""
    optional: bool = False


class EnvVarSource(Struct, frozen=True):
    """Where the value of an environment variable comes from."""

    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None


class EnvVar(Struct, frozen=True):
    """An environment variable; `$(OTHER)` in the value refers to an earlier one."""

    name: str
    value: str = ""
    value_from: EnvVarSource | None = None


class SourceReference(Struct, frozen=True):
    """The name of a ConfigMap or Secret whose keys all become variables."""

    name: str = ""
    optional: bool = False


class EnvFromSource(Struct, frozen=True):
    """A ConfigMap or Secret taken whole into the environment."""

    prefix: str = ""
    config_map_ref: SourceReference | None = None
    secret_ref: SourceReference | None = None


class VolumeMount(Struct, frozen=True):
    """Where a volume of the pod appears in a container."""

    name: str
    mount_path: str
    sub_path: str = ""
    sub_path_expr: str = ""
    read_only: bool = False


class Capabilities(Struct, frozen=True):
    """Names of capabilities without CAP_; ALL means all."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(Struct, frozen=True):
    """User, group and rights of a container's processes."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    privileged: bool = False
    allow_privilege_escalation: bool = True
    read_only_root_filesystem: bool = False
    capabilities: Capabilities = Capabilities()


class Sysctl(Struct, frozen=True):
    """A kernel parameter of a pod's namespaces."""

    name: str
    value: str = ""


class PodSecurityContext(Struct, frozen=True):
    """Defaults for all containers of a pod."""

    sysctls: tuple[Sysctl, ...] = ()

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()


class ResourceRequirements(Struct, frozen=True):
    """Quantities by resource name, such as `cpu`, `memory` and `ephemeral-storage`."""

    limits: dict[str, Quantity] = {}
    requests: dict[str, Quantity] = {}


class Container(Struct, frozen=True):
    """One program of a pod."""

    name: str
    image: str = ""
    image_pull_policy: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle = Lifecycle()
    resources: ResourceRequirements = ResourceRequirements()
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"
    security_context: SecurityContext = SecurityContext()
    restart_policy: str | None = None
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    target_container_name: str = ""


class HostAlias(Struct, frozen=True):
    """A line of the pod's /etc/hosts."""

    ip: str
    hostnames: tuple[str, ...] = ()


class PodDNSConfigOption(Struct, frozen=True):
    """An option line of resolv.conf."""

    name: str
    value: str | None = None


class PodDNSConfig(Struct, frozen=True):
    """Additions to the resolv.conf that dnsPolicy makes."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()


class PodReadinessGate(Struct, frozen=True):
    """A condition, set by another program, that a pod needs to be ready."""

    condition_type: str


class PodSchedulingGate(Struct, frozen=True):
    """A pod with a gate is not scheduled until the gate is removed."""

    name: str = ""


class PodOS(Struct, frozen=True):
    """The operating system that a pod is for: linux or windows."""

    name: str = ""


class PodSpec(Struct, frozen=True):
    """The desired state of a pod."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_name: str = ""
    node_selector: dict[str, str] = {}
    hostname: str = ""
    subdomain: str = ""
    host_network: bool = False
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    dns_policy: str = "ClusterFirst"
    dns_config: PodDNSConfig | None = None
    host_aliases: tuple[HostAlias, ...] = ()
    security_context: PodSecurityContext = PodSecurityContext()
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    service_account_name: str = ""
    scheduler_name: str = "default-scheduler"
    priority: int = 0
    scheduling_gates: tuple[PodSchedulingGate, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    affinity: Affinity = Affinity()
    active_deadline_seconds: int | None = None
    enable_service_links: bool = True
    os: PodOS = PodOS()
    set_hostname_as_fqdn: bool = msgspec.field(default=False, name="setHostnameAsFQDN")
    priority_class_name: str = ""


class PodIP(Struct, frozen=True):
    """One address of a pod."""

    ip: str = ""


class ContainerStateTerminated(Struct, frozen=True):
    """How a container ended."""

    exit_code: int = 0
    finished_at: str | None = None


class ContainerState(Struct, frozen=True):
    """The state of a container, as far as other programs than its kubelet read it."""

    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Struct, frozen=True):
    """The status of a container, as far as other programs than its kubelet read it."""

    name: str = ""
    restart_count: int = 0
    state: ContainerState = ContainerState()


class PodStatus(Struct, frozen=True):
    """The observed state of a pod. Phase: Pending, Running, Succeeded, Failed, Unknown."""

    phase: str = "Pending"
    pod_ip: str = msgspec.field(default="", name="podIP")
    pod_ips: tuple[PodIP, ...] = msgspec.field(default=(), name="podIPs")
    host_ip: str = msgspec.field(default="", name="hostIP")
    conditions: tuple[Condition, ...] = ()
    start_time: str | None = None
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Object, frozen=True):
    """Containers that share one network namespace."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses that the status reports, first the primary one."""
        if self.status.pod_ips:
            return tuple(entry.ip for entry in self.status.pod_ips)
        return (self.status.pod_ip,) if self.status.pod_ip else ()

    def is_run_as(self, uid: str) -> bool:
        """Whether a container runtime means this pod by this uid; any pod where the runtime passes none.

        The runtime knows a static pod by the hash of its file, which its mirror pod has as an annotation.
        Source: k8s.io/kubernetes `pkg/kubelet/types/pod_update.go`.
        """
        annotations = self.metadata.annotations
        hashes = {annotations[key] for key in (CONFIG_MIRROR, CONFIG_HASH) if key in annotations}
        return not uid or uid == self.metadata.uid or uid in hashes

    @property
    def finished(self) -> bool:
        """True when all containers have ended and never start again: the address is no longer the pod's."""
        return self.status.phase in FINISHED

    @property
    def ready(self) -> bool:
        """The Ready condition."""
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


class ConfigMap(Object, frozen=True):
    """Named texts. `binaryData` is base64."""

    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


class Secret(Object, frozen=True):
    """Named values, base64."""

    data: dict[str, str] = {}
