"""All kinds of findings, by check: what `docs/reference/doctor.md` is made from."""

from __future__ import annotations

from collections.abc import Mapping

from podwire.insight.doctor.report import Level, Rule

CHECKS: Mapping[str, str] = {
    "kernel": "each kernel feature that podwire uses, tried in a namespace that is thrown away",
    "sysctls": "forwarding of both families, and packets of connections whose start the node did not see",
    "conntrack": "how full the table of connections is",
    "mtu": "links of pods, tunnel and uplink of each node, and that nodes agree",
    "path-mtu": "packets of the uplink's full size between nodes, which no router may fragment",
    "foreign-rules": "rules and tables of other plugins, of kube-proxy and of firewalls",
    "cni-configuration": "the files by which the container runtime chooses its network plugin",
    "agent": "the agent of each node: its pod, its answer, what it follows and what the kernel refuses",
    "rows": "each table of podwire in the kernels, compared with the rows that its agent derives",
    "api": "the API server as each node reaches it",
    "rights": "what the agent's account may do, by reviews of the API server",
    "credentials": "when tokens and certificates expire",
    "clock": "the clocks of the nodes, of the API server and of this machine",
    "dns": "the cluster's DNS, queried from each node",
    "nodes": "conditions and addresses of the Nodes",
    "pod-ranges": "podCIDRs: each node has them, and they overlap with nothing",
    "programs": "podwire's other pods, their images, and equal versions",
    "gateways": "kinds of the Gateway API, classes, Gateways, routes and Envoys of podwire, and ends of certificates",
    "mesh": "controller, authority, pods and Envoys of the mesh, certificates, redirection of enrolled pods",
    "other-networks": "other pod networks and kube-proxy in the cluster",
}
"""Each check and what it looks at."""


def _error(check: str, finding: str, remedy: str) -> Rule:
    return Rule(check, Level.ERROR, finding, remedy)


def _warning(check: str, finding: str, remedy: str) -> Rule:
    return Rule(check, Level.WARNING, finding, remedy)


FEATURE_MISSING = _error("kernel", "{feature}, needed for {serves}, does not work: {problem}", "{remedy}")
FEATURE_ABSENT = _warning("kernel", "{feature}, used for {serves}, does not work: {problem}", "{remedy}")
NOT_GATHERED = _warning("kernel", "{part} could not be read: {problem}", "run the check as root on this node")

FORWARDING_OFF = _error(
    "sysctls",
    "{name} is {value}: this node forwards nothing to its pods",
    "set it to 1, and remove what sets it back (a file in /etc/sysctl.d, a network manager); the agent sets it at its"
    " start",
)
LOOSE_TCP = _warning(
    "sysctls",
    "{name} is {value}: connections that a policy cut may go on after a restart",
    "set it to 0; the agent does at its start, so another program set it back",
)

CONNTRACK_FILLS = _warning(
    "conntrack",
    "{count} of {limit} entries are used ({percent} %)",
    "raise net.netfilter.nf_conntrack_max before new connections are dropped",
)
CONNTRACK_FULL = _error(
    "conntrack",
    "{count} of {limit} entries are used ({percent} %): new connections are dropped",
    "raise net.netfilter.nf_conntrack_max, and find the client with 'conntrack -L'",
)

POD_LINK_TOO_LARGE = _error(
    "mtu",
    "the link {link} of a pod has an mtu of {mtu}, the way to other nodes {limit}: large packets are lost",
    "restart the agent's pod, and delete the pods that keep the old mtu",
)
TUNNEL_TOO_LARGE = _error(
    "mtu",
    "the tunnel {link} has an mtu of {mtu}, the uplink {uplink} one of {limit}: there is no room for its header",
    "restart the agent's pod, which sets it from the uplink",
)
UPLINKS_DIFFER = _warning(
    "mtu",
    "the uplink has an mtu of {mtu}, most nodes have {usual}",
    "give the uplinks of all nodes the same mtu, and restart the agents",
)
NO_UPLINK = _warning(
    "mtu",
    "no link of this node has one of its InternalIPs: pods get an mtu of 1500",
    "check the Node's addresses, and --node-ip of its kubelet",
)

PACKETS_TOO_LARGE = _error(
    "path-mtu",
    "packets of {size} bytes do not reach {peer} ({address}), small ones do",
    "lower the mtu of the uplinks to what the network between the nodes carries, or raise it there",
)
PEER_SILENT = _warning(
    "path-mtu",
    "{peer} ({address}) does not answer pings",
    "check that this network carries packets between the nodes; where it filters only pings, nothing is wrong",
)

FIREWALL = _error(
    "foreign-rules",
    "{owner} has rules here ({where}) and may drop what pods send and receive",
    "let it pass forwarded packets of the pod ranges, or switch it off: {remedy}",
)
OTHER_NETWORK_RULES = _warning(
    "foreign-rules",
    "rules of {owner} are on this node ({where})",
    "remove {owner} from the cluster, and then what it left: {remedy}",
)
PROXY_RULES = _warning(
    "foreign-rules",
    "rules of kube-proxy are on this node ({where}): both translate Services",
    "remove kube-proxy, and let the agents run with --replace-kube-proxy, which removes its rules",
)
DROPPING_CHAIN = _warning(
    "foreign-rules",
    "the chain {chain} of table {table} drops what it does not accept (hook {hook})",
    "let it accept forwarded packets of the pod ranges",
)

CNI_MISSING = _error(
    "cni-configuration",
    "{folder} has no network configuration of podwire",
    "the init container place-cni writes it: see 'kubectl -n kube-system describe pod' of this node's agent, and that"
    " the runtime reads this folder",
)
CNI_PRECEDED = _error(
    "cni-configuration",
    "{file} ({plugins}) sorts before podwire's {own}: new pods get its network",
    "remove {file} on this node, with the plugin that writes it",
)
CNI_UNREADABLE = _warning(
    "cni-configuration",
    "{file} cannot be read: {problem}",
    "mend or remove it: a runtime may stop at it",
)
CNI_NO_PLUGIN = _error(
    "cni-configuration",
    "{path} does not exist or cannot be executed, and podwire's configuration names it",
    "delete this node's agent pod: its init container places the plugin; if it is removed again, find what cleans this"
    " folder",
)
CNI_OTHERS = _warning(
    "cni-configuration",
    "{file} is a configuration of {plugins} beside podwire's",
    "remove it: a runtime uses it as soon as podwire's is not there",
)

CNI_LEFTOVERS = _warning(
    "cni-configuration",
    "plugins of other pod networks are on this node: {plugins}",
    "where such a network is removed from the cluster, remove them and its configuration too; else its pods write both"
    " again",
)

NO_AGENT = _error("agent", "{problem}", "let the DaemonSet podwire-agent run here")
AGENT_UNREACHED = _error("agent", "its agent cannot be reached: {problem}", "see 'podwire logs agent --node {node}'")
AGENT_SILENT = _error(
    "agent",
    "no agent answers on {path}: {problem}",
    "see 'podwire logs agent --node {node}'",
)
AGENT_NOT_READY = _error("agent", "the agent is not ready: {problem}", "see 'podwire logs agent --node {node}'")
NOT_SYNCED = _error("agent", "not listed yet: {problem}", "{remedy}")
NOT_FOLLOWED = _warning("agent", "not followed for {seconds} s: {problem}", "{remedy}")
OBJECTS_SKIPPED = _warning(
    "agent",
    "{count} objects of {resource} cannot be decoded and are skipped",
    "see 'podwire logs agent --node {node}' for their names",
)
ROWS_REFUSED = _error(
    "agent",
    "the kernel refuses {count} rows of {target}, such as: {row}",
    "see 'podwire rows {target} --node {node}'; another program may hold what the row needs",
)

ROWS_DIFFER = _error(
    "rows",
    "the kernel differed from {count} rows of {target} and {row}; the agent has written them again",
    "find what changes podwire's tables ('nft monitor' shows its name), and remove it",
)
ROWS_REPAIRED = _warning(
    "rows",
    "{count} rows of {target} were changed by something else since the agent's start, and written again",
    "see 'podwire logs agent --node {node}', and 'nft monitor' for the program",
)

API_UNREACHABLE = _error(
    "api",
    "{server} is not reached: {problem}",
    "check routes and firewalls from this node to the API server, and --server of the agent",
)
API_SLOW = _warning(
    "api",
    "{server} answers in {milliseconds} ms",
    "look for load of the API server and of etcd, and for loss on the way",
)

RIGHTS_MISSING = _error(
    "rights",
    "the agent's account may not {verbs} {resource}",
    "apply ClusterRole {role} and its binding as 'podwire install -o yaml' prints them",
)
RIGHTS_UNKNOWN = _warning(
    "rights",
    "the API server does not review rights: {problem}",
    "let system:basic-user create selfsubjectaccessreviews",
)

EXPIRED = _error("credentials", "the {what} expired at {time}", "{remedy}")
EXPIRES = _warning("credentials", "the {what} expires at {time}", "{remedy}")

CLOCK_OFF = _error(
    "clock",
    "its clock differs by {seconds} s from that of {other}",
    "synchronise it (chrony, systemd-timesyncd): tokens and certificates are refused",
)
CLOCK_DRIFTS = _warning(
    "clock", "its clock differs by {seconds} s from that of {other}", "synchronise it (chrony, systemd-timesyncd)"
)

DNS_SILENT = _error(
    "dns",
    "{server} does not answer by {protocol}: {problem}",
    "see 'kubectl -n kube-system get pods -l k8s-app=kube-dns' and 'podwire explain service kube-system/kube-dns"
    " --node {node}'",
)
DNS_ABSENT = _error("dns", "the Service kube-dns does not exist", "install a cluster DNS: 'podwire install' brings one")
DNS_NO_POD = _error(
    "dns", "no pod of the cluster's DNS is ready", "see 'kubectl -n kube-system describe pods -l k8s-app=kube-dns'"
)

NODE_NOT_READY = _error("nodes", "it is not Ready: {problem}", "{remedy}")
NODE_NO_ADDRESS = _error("nodes", "it has no InternalIP", "start its kubelet with --node-ip")
NODE_TAINTED = _warning(
    "nodes",
    "its network counts as unavailable ({problem})",
    "a cloud's route controller sets it: configure or stop that",
)

NO_POD_RANGE = _error(
    "pod-ranges",
    "it has no podCIDR: pods get no address",
    "let kube-controller-manager allocate them (--allocate-node-cidrs, --cluster-cidr), or 'podwire controller'",
)
POD_RANGE_OUTSIDE = _error(
    "pod-ranges",
    "its podCIDR {block} is in none of the agents' --pod-cidrs {ranges}",
    "give the agents the ranges that nodes get theirs from",
)
RANGES_OVERLAP = _error(
    "pod-ranges", "its podCIDR {block} overlaps {other}", "give them different ranges, and make the pods again"
)

POD_TROUBLE = _error("programs", "it is not ready: {problem}", "see 'kubectl -n kube-system describe pod {pod}'")
IMAGE_TROUBLE = _error(
    "programs",
    "its image {image} cannot be pulled: {problem}",
    "load it on the node ('ctr -n k8s.io images import'), or name a registry that has it: 'podwire install --image'",
)
RESTARTS = _warning("programs", "it was restarted {count} times", "see 'kubectl -n kube-system logs {pod} --previous'")
VERSIONS_DIFFER = _warning(
    "programs", "it has version {version}, most have {usual}", "end the upgrade: 'podwire upgrade', or take it back"
)

NO_DEFINITIONS = _error(
    "gateways",
    "its kinds are not served, and the gateway controller waits for them",
    "install them: 'podwire install --gateway-api standard'",
)
MIXED_DEFINITIONS = _warning(
    "gateways",
    "its definitions are of several releases or channels ({releases})",
    "apply all of one release with 'kubectl apply --server-side'",
)
OTHER_DEFINITIONS = _warning(
    "gateways",
    "its definitions are of {release}, podwire is made for {own}: kinds and fields that they lack are not served",
    "apply those of {own} with 'kubectl apply --server-side', unless another program needs these",
)
NO_CLASS = _error(
    "gateways",
    "no GatewayClass has the controller {controller}",
    "create one with it; the controller makes one only where it may: see 'kubectl -n kube-system logs -l"
    " k8s-app=podwire-gateway-controller'",
)
CLASS_REFUSED = _error("gateways", "it is not accepted: {problem}", "change what the reason names")
ENVOY_TROUBLE = _error(
    "gateways", "this Envoy is not ready: {problem}", "see 'kubectl -n podwire-system describe pod {pod}' and its log"
)
GATEWAY_REFUSED = _error(
    "gateways", "it is not accepted, so it is not served: {problem}", "change what the reason names"
)
GATEWAY_PENDING = _error(
    "gateways",
    "it is not programmed: {problem}",
    "without an address: see its Service of type LoadBalancer; else the Envoys in podwire-system",
)
LISTENER_REFUSED = _warning(
    "gateways", "its listener {listener} is not served: {problem}", "change what the reason names"
)
ROUTE_REFUSED = _warning(
    "gateways",
    "it is not served at {parent}, or only in part: {problem}",
    "change what the reason names, or delete the route",
)

MESH_NO_LEADER = _error(
    "mesh",
    "no mesh-controller leads: nothing is signed, and connections end when certificates expire",
    "see 'kubectl -n kube-system get pods -l k8s-app=podwire-mesh-controller' and their log",
)
MESH_NO_TRUST = _error(
    "mesh",
    "nodes have no root to verify certificates with: the mesh does not start",
    "see 'podwire mesh ca status', and the log of the mesh-controller",
)
MESH_AUTHORITY_UNKNOWN = _warning("mesh", "it is not known: {problem}", "run the check as an account that may read it")
MESH_NO_POD = _error(
    "mesh",
    "pods of this node are enrolled, and the mesh has no pod here: their connections are not encrypted",
    "see 'kubectl -n podwire-system describe daemonset podwire-mesh': taints, pod security, resources",
)
MESH_POD_TROUBLE = _error(
    "mesh",
    "it is not ready: {problem}",
    "see 'kubectl -n podwire-system describe pod {pod}' and its logs; connections of the mesh on {node} are refused"
    " while its Envoy is away",
)
MESH_NOT_READY = _error(
    "mesh",
    "its mesh-node serves nothing new: {problem}",
    "mend what is named; Envoy goes on with what it has",
)
MESH_ENVOY_AWAY = _error(
    "mesh",
    "its Envoy is not connected to mesh-node",
    "see 'kubectl -n podwire-system logs' of the node's podwire-mesh pod, container envoy",
)
MESH_REFUSED = _warning(
    "mesh",
    "its Envoy has refused {count} configurations of type {kind} since mesh-node was started",
    "the log of container mesh in the node's podwire-mesh pod has the object and the reason; until it is mended Envoy"
    " serves what it had before",
)
MESH_LACKING = _error(
    "mesh",
    "{count} identities of its pods have no certificate: their connections with other nodes are refused",
    "the log of container mesh in the node's podwire-mesh pod has the signer's reason",
)
MESH_LATE = _warning(
    "mesh",
    "{count} certificates of its pods are past three quarters of their life, and were to be replaced at half",
    "see whether a mesh-controller leads, and whether this node reaches it (port 18001)",
)
MESH_OPTIONS = _warning(
    "mesh",
    "it cannot read the ConfigMap podwire-system/podwire-mesh",
    "the log of container mesh in the node's podwire-mesh pod names the key and what fits",
)
MESH_NOT_REDIRECTED = _error(
    "mesh",
    "connections of {count} enrolled pods are not led to Envoy, such as {pod}: others reach them in plain text",
    "see whether the node's podwire-mesh pod is ready, and 'podwire logs agent --node {node}'",
)

NETWORK_INSTALLED = _error(
    "other-networks",
    "another pod network is installed: {network}",
    "remove it: its pods and podwire's do not reach each other",
)
PROXY_INSTALLED = _error(
    "other-networks",
    "kube-proxy runs on {count} nodes: both translate Services",
    "remove it: 'podwire install --replace-kube-proxy', or 'kubectl -n kube-system delete daemonset kube-proxy'",
)

RULES: tuple[Rule, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""All of them, by check in the order of CHECKS."""
