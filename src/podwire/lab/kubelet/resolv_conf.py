"""Name resolution of a pod: resolv.conf, hosts, host name. Pure: texts in, texts out.

Sources: kubernetes.io "DNS for Services and Pods"; kubelet `network/dns/dns.go` and `kubelet_pods.go`; resolv.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podwire.kube.core import HostAlias, Pod, PodDNSConfig

MOST_NAME_SERVERS = 3
MOST_SEARCHES = 32
LONGEST_SEARCH = 2048
"""Characters of the search list with its spaces; the kubelet cuts at these three limits too."""

LONGEST_HOSTNAME = 63
CLUSTER_OPTIONS = ("ndots:5",)

HEADING = "# Kubernetes-managed hosts file.\n"
HOST_NETWORK_HEADING = "# Kubernetes-managed hosts file (host network).\n"
LOCAL_NAMES = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


class Resolver(msgspec.Struct, frozen=True):
    """The content of a resolv.conf. Options are as written there, such as `ndots:5`."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"search {' '.join(self.searches)}"] if self.searches else []
        lines += [f"nameserver {server}" for server in self.servers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "".join(line + "\n" for line in lines)


def pod_resolver(pod: Pod, node: Resolver, cluster: Sequence[str], domain: str) -> Resolver:
    """The resolver of a pod by its dnsPolicy and dnsConfig. `cluster` are the addresses of the cluster's DNS."""
    base = _by_policy(pod, node, cluster, domain)
    return _limited(_extended(base, pod.spec.dns_config))


def _by_policy(pod: Pod, node: Resolver, cluster: Sequence[str], domain: str) -> Resolver:
    policy = pod.spec.dns_policy
    if policy == "None":
        return Resolver()
    if policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network):
        namespace = pod.metadata.namespace
        searches = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain, *node.searches)
        return Resolver(tuple(cluster), _unique(searches), CLUSTER_OPTIONS)
    return node


def _extended(base: Resolver, extra: PodDNSConfig | None) -> Resolver:
    """Servers and searches are added behind; an option replaces the one of the same name."""
    if extra is None:
        return base
    options = {option.partition(":")[0]: option for option in base.options}
    options |= {one.name: f"{one.name}:{one.value}" if one.value else one.name for one in extra.options}
    return Resolver(
        _unique((*base.servers, *extra.nameservers)),
        _unique((*base.searches, *extra.searches)),
        tuple(options.values()),
    )


def _limited(resolver: Resolver) -> Resolver:
    searches: list[str] = []
    for search in resolver.searches[:MOST_SEARCHES]:
        if len(" ".join((*searches, search))) > LONGEST_SEARCH:
            break
        searches.append(search)
    return Resolver(resolver.servers[:MOST_NAME_SERVERS], tuple(searches), resolver.options)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def hostname(pod: Pod, node_name: str = "") -> str:
    """Return the host name of a pod. A pod on the node's network has the node's."""
    if pod.spec.host_network:
        return node_name
    return (pod.spec.hostname or pod.metadata.name)[:LONGEST_HOSTNAME].rstrip("-.")


def full_name(pod: Pod, domain: str) -> str:
    """The name that DNS gives a pod with a subdomain; empty for others."""
    if not pod.spec.subdomain or pod.spec.host_network:
        return ""
    return f"{hostname(pod)}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}"


def kernel_hostname(pod: Pod, domain: str, node_name: str) -> str:
    """Return the host name that the kernel reports in a pod: the full name with setHostnameAsFQDN."""
    full = full_name(pod, domain) if pod.spec.set_hostname_as_fqdn else ""
    return full or hostname(pod, node_name)


def hosts_file(pod: Pod, addresses: Iterable[str], domain: str, node_hosts: str = LOCAL_NAMES) -> str:
    """The pod's /etc/hosts. `node_hosts` is the node's own file, which a pod on its network sees."""
    if pod.spec.host_network:
        return HOST_NETWORK_HEADING + node_hosts + _aliases(pod.spec.host_aliases)
    names = [name for name in (full_name(pod, domain), hostname(pod)) if name]
    own = "".join("\t".join((address, *names)) + "\n" for address in addresses)
    return HEADING + LOCAL_NAMES + own + _aliases(pod.spec.host_aliases)


def _aliases(aliases: Sequence[HostAlias]) -> str:
    if not aliases:
        return ""
    lines = ("\t".join((alias.ip, *alias.hostnames)) + "\n" for alias in aliases)
    return "\n# Entries added by HostAliases.\n" + "".join(lines)
