import pytest

from podwire.kube.core import HostAlias, Pod, PodDNSConfig, PodDNSConfigOption, PodSpec
from podwire.kube.meta import ObjectMeta
from podwire.lab.kubelet import resolv_conf
from podwire.lab.kubelet.resolv_conf import Resolver, full_name, hostname, hosts_file, kernel_hostname, pod_resolver

NODE = Resolver(("172.18.255.1",), ("corp.example",), ("timeout:2",))
CLUSTER = ("10.96.0.10",)


def pod(**spec: object) -> Pod:
    return Pod(metadata=ObjectMeta(name="web-1", namespace="shop"), spec=PodSpec(**spec))  # type: ignore[arg-type]


def text(one: Pod) -> str:
    return str(pod_resolver(one, NODE, CLUSTER, "cluster.local"))


IN_CLUSTER = (
    "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
    "nameserver 10.96.0.10\noptions ndots:5\n"
)
AS_THE_NODE = "search corp.example\nnameserver 172.18.255.1\noptions timeout:2\n"


@pytest.mark.parametrize(
    ("policy", "on_host", "expected"),
    [
        ("ClusterFirst", False, IN_CLUSTER),
        ("ClusterFirst", True, AS_THE_NODE),
        ("ClusterFirstWithHostNet", True, IN_CLUSTER),
        ("Default", False, AS_THE_NODE),
        ("None", False, ""),
    ],
)
def test_each_policy(policy: str, *, on_host: bool, expected: str) -> None:
    assert text(pod(dns_policy=policy, host_network=on_host)) == expected


def test_dns_config_adds_and_its_options_replace() -> None:
    config = PodDNSConfig(
        nameservers=("10.96.0.10", "1.1.1.1"),
        searches=("my.example", "cluster.local"),
        options=(PodDNSConfigOption(name="ndots", value="2"), PodDNSConfigOption(name="edns0")),
    )
    assert text(pod(dns_config=config)) == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example my.example\n"
        "nameserver 10.96.0.10\nnameserver 1.1.1.1\noptions ndots:2 edns0\n"
    )
    assert text(pod(dns_policy="None", dns_config=config)).startswith("search my.example cluster.local\n")


def test_limits_of_the_resolver_hold() -> None:
    config = PodDNSConfig(
        nameservers=tuple(f"10.0.0.{n}" for n in range(5)), searches=tuple(f"s{n}.example" for n in range(50))
    )
    made = pod_resolver(pod(dns_config=config), NODE, CLUSTER, "cluster.local")
    assert len(made.servers) == 3
    assert len(made.searches) == 32
    long = PodDNSConfig(searches=tuple(f"{n:02}" + "x" * 200 for n in range(20)))
    assert len(" ".join(pod_resolver(pod(dns_config=long), NODE, CLUSTER, "cluster.local").searches)) <= 2048


def test_hosts_of_a_pod_with_a_subdomain_and_aliases() -> None:
    one = pod(hostname="db-0", subdomain="db", host_aliases=(HostAlias(ip="1.2.3.4", hostnames=("a.test", "b.test")),))
    assert hosts_file(one, ("10.244.1.2", "fd00::2"), "cluster.local") == (
        "# Kubernetes-managed hosts file.\n"
        + resolv_conf.LOCAL_NAMES
        + "10.244.1.2\tdb-0.db.shop.svc.cluster.local\tdb-0\n"
        + "fd00::2\tdb-0.db.shop.svc.cluster.local\tdb-0\n"
        + "\n# Entries added by HostAliases.\n1.2.3.4\ta.test\tb.test\n"
    )


def test_hosts_of_a_plain_pod() -> None:
    made = hosts_file(pod(), ("10.244.1.2",), "cluster.local")
    assert made.endswith("fe00::2\tip6-allrouters\n10.244.1.2\tweb-1\n")


def test_a_pod_on_the_nodes_network_sees_the_nodes_names() -> None:
    one = pod(host_network=True, hostname="mine", subdomain="db")
    assert hosts_file(one, ("172.18.0.2",), "cluster.local", "127.0.0.1\tlocalhost\n") == (
        "# Kubernetes-managed hosts file (host network).\n127.0.0.1\tlocalhost\n"
    )
    assert hostname(one, "node-1") == "node-1"
    assert full_name(one, "cluster.local") == ""


def test_long_names_are_cut_as_the_kubelet_cuts_them() -> None:
    one = Pod(metadata=ObjectMeta(name="a" * 62 + "-bc", namespace="shop"))
    assert hostname(one) == "a" * 62


def test_the_kernel_reports_the_full_name_with_set_hostname_as_fqdn() -> None:
    spec = {"hostname": "db-0", "subdomain": "db", "set_hostname_as_fqdn": True}
    assert kernel_hostname(pod(**spec), "cluster.local", "node-1") == "db-0.db.shop.svc.cluster.local"
    assert kernel_hostname(pod(hostname="db-0", subdomain="db"), "cluster.local", "node-1") == "db-0"
    assert kernel_hostname(pod(set_hostname_as_fqdn=True), "cluster.local", "node-1") == "web-1", "it has no full name"
    assert kernel_hostname(pod(**spec, host_network=True), "cluster.local", "node-1") == "node-1"
