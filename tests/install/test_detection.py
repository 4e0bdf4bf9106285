from typing import Any

import msgspec
import pytest

from podwire.component.other_networks import REPLACED
from podwire.install import detection
from podwire.install.chosen_settings import choose, kept
from podwire.install.settings import SettingsError
from podwire.kube.discovery import EndpointSlice
from tests.install.cluster import cluster, daemon_set, dns_service, node

KUBEADM = {
    "controlPlaneEndpoint": "api.example.org",
    "networking": {"podSubnet": "10.1.0.0/16,fd01::/56", "serviceSubnet": "10.2.0.0/16", "dnsDomain": "example.org"},
}


def test_settings_come_from_the_objects_of_a_cluster() -> None:
    settings = choose({}, cluster()).settings
    assert settings.service_cidrs == ("10.96.0.0/16", "fd00:10:96::/112")
    assert settings.pod_cidrs == ("10.244.0.0/16", "fd00:10:244::/56")
    assert settings.server == "https://192.0.2.10:6443"
    assert settings.dns_addresses == ("10.96.0.10", "fd00:10:96::a")
    assert (settings.domain, settings.image) == ("cluster.local", f"podwire:{settings.version}")


def test_what_is_given_is_taken_and_not_searched_for() -> None:
    given = {"server": "https://192.0.2.1:1", "pod_cidrs": ("10.9.0.0/16",), "service_cidrs": ("10.8.0.0/16",)}
    choice = choose(given, cluster())
    assert (choice.settings.server, choice.settings.pod_cidrs) == ("https://192.0.2.1:1", ("10.9.0.0/16",))
    assert choice.settings.dns_addresses == ("10.8.0.10",)
    assert choice.sources == ()


def test_kubeadm_knows_more_than_nodes_do() -> None:
    found = cluster(kubeadm=KUBEADM)
    assert detection.pod_cidrs(found).value == ("10.1.0.0/16", "fd01::/56")
    assert detection.server(found, ()).value == "https://api.example.org:6443"
    assert detection.domain(found) == "example.org"
    assert detection.service_cidrs(found).source == "ServiceCIDR objects"
    assert detection.service_cidrs(cluster(kubeadm=KUBEADM, service_cidrs=())).value == ("10.2.0.0/16",)


def test_the_flags_of_the_controller_manager_are_read() -> None:
    flags = ("kube-controller-manager", "--cluster-cidr=10.3.0.0/16", "--service-cluster-ip-range=10.4.0.0/16")
    found = cluster(controller_manager=flags, service_cidrs=())
    assert detection.pod_cidrs(found).value == ("10.3.0.0/16",)
    assert detection.service_cidrs(found).value == ("10.4.0.0/16",)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (["10.42.0.0/24"], ("10.42.0.0/16",)),
        (["10.0.1.0/24", "10.128.0.0/24"], ("10.0.0.0/8",)),
        (["10.0.0.0/12"], ("10.0.0.0/12",)),
        ([], None),
    ],
)
def test_ranges_of_nodes_are_rounded_up(ranges: list[str], expected: tuple[str, ...] | None) -> None:
    found = cluster(nodes=tuple(node(one, one) for one in ranges))
    if expected is None:
        with pytest.raises(SettingsError, match="--pod-cidrs"):
            detection.pod_cidrs(found)
    else:
        assert detection.pod_cidrs(found).value == expected


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:6443", "https://[::1]:6443", "https://10.96.0.1", "https://kubernetes.default"]
)
def test_a_server_that_nodes_cannot_reach_is_not_taken(url: str) -> None:
    with pytest.raises(SettingsError, match="--server"):
        detection.server(cluster(cluster_info=url, kubeconfig=url, api_servers=()), ("10.96.0.0/16",))
    assert detection.server(cluster(cluster_info=url), ("10.96.0.0/16",)).value == "https://192.0.2.10:6443"


def test_pools_of_ranges_are_the_ranges_of_all_pods() -> None:
    pools = ("10.7.0.0/16,fd07::/56", "10.8.0.0/16:22@pool=large")
    choice = choose({"pod_pools": pools}, cluster(nodes=(node("a"),)))
    assert choice.settings.pod_cidrs == ("10.7.0.0/16", "fd07::/56", "10.8.0.0/16")
    assert choice.settings.controller_replicas == 1, "its port is one of the node's: one a node"
    assert choose({}, cluster()).settings.controller_replicas == 2


def test_pools_of_namespaces_are_ranges_of_pods_too() -> None:
    given = {"namespace_pools": ("red=10.60.0.0/16:26", "blue=10.7.8.0/24:26"), "pod_cidrs": ("10.7.0.0/16",)}
    choice = choose(given, cluster(nodes=(node("a"),)))
    assert choice.settings.pod_cidrs == ("10.7.0.0/16", "10.60.0.0/16")
    assert choice.settings.has_controller


def test_one_of_several_api_servers_is_named_as_such() -> None:
    both = {"endpoints": [{"addresses": ["fd00::1"]}, {"addresses": ["fd00::2"]}], "ports": [{"port": 6443}]}
    found = detection.server(cluster(api_servers=(msgspec.convert(both, EndpointSlice),)), ())
    assert found.value == "https://[fd00::1]:6443"
    assert "the first of 2" in found.source


def test_a_running_kube_proxy_is_refused_with_the_remedy() -> None:
    found = cluster(daemon_sets=(daemon_set("kube-proxy", {"k8s-app": "kube-proxy"}),))
    with pytest.raises(SettingsError, match=r"kube-system/kube-proxy runs.*--replace-kube-proxy"):
        choose({}, found)
    assert choose({"replace_kube_proxy": True}, found).settings.replace_kube_proxy
    ended = cluster(daemon_sets=(daemon_set("kube-proxy", nodeSelector={REPLACED: "true"}),))
    assert not choose({}, ended).settings.replace_kube_proxy


def test_another_network_is_named() -> None:
    hints = choose({}, cluster(daemon_sets=(daemon_set("calico-node"), daemon_set("logs")))).hints
    assert len(hints) == 1
    assert "Calico (DaemonSet kube-system/calico-node)" in hints[0]


@pytest.mark.parametrize(
    ("labels", "addresses", "hinted"),
    [({"k8s-app": "kube-dns"}, (), True), ({"app.kubernetes.io/name": "podwire"}, ("10.96.0.99",), False)],
)
def test_the_service_of_another_dns_server_stays_as_it_is(
    labels: dict[str, str], addresses: tuple[str, ...], hinted: bool
) -> None:
    choice = choose({}, cluster(dns_service=dns_service(labels, "10.96.0.99")))
    assert choice.settings.dns_addresses == addresses
    assert any("delete deployment coredns" in hint for hint in choice.hints) == hinted


@pytest.mark.parametrize("given", [{"service_cidrs": ("10.96.0.0/30",)}])
def test_a_service_range_without_a_tenth_address_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="tenth"):
        choose(given, cluster())


def test_dns_that_is_wanted_later_gets_its_addresses() -> None:
    without = choose({"dns": False}, cluster()).settings
    assert without.dns_addresses == ()
    wanted = msgspec.structs.replace(without, dns=True)
    assert kept(wanted, cluster()).settings.dns_addresses == ("10.96.0.10", "fd00:10:96::a")
    assert kept(wanted, cluster(dns_service=dns_service({}, "10.96.0.10"))).settings.dns_addresses == (), "another's"
    assert kept(without, cluster()).settings == without
